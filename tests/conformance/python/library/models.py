"""Its models."""

from django.db import models


class Author(models.Model):
    name = models.TextField()
    since = models.DateTimeField(auto_now_add=True)


class Book(models.Model):
    author = models.ForeignKey(Author, models.CASCADE, related_name="books")
    title = models.TextField()
    tags = models.JSONField(default=list)
