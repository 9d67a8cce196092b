SELECT "users"."id", "users"."email", "users"."first_name", "users"."last_name", "users"."created_at", "users"."updated_at" FROM "users" WHERE "users"."id" = $1 LIMIT $2;
INSERT INTO "orders" ("user_id", "status", "total_cents", "currency", "created_at", "updated_at") VALUES ($1, $2, $3, $4, $5, $6) RETURNING "id";
UPDATE "carts" SET "updated_at" = '2026-01-02 03:04:05.678901', "items_count" = COALESCE("carts"."items_count", 0) + 1 WHERE "carts"."id" = 4711;
SELECT o.id, o.total_cents, c.name AS customer_name, count(i.id) AS items FROM orders o JOIN customers c ON c.id = o.customer_id LEFT JOIN order_items i ON i.order_id = o.id WHERE o.status IN ('paid', 'shipped') AND o.created_at >= now() - interval '7 days' GROUP BY o.id, o.total_cents, c.name ORDER BY o.created_at DESC LIMIT 50;
SELECT "shop_product"."id", "shop_product"."name", "shop_product"."description", "shop_product"."price", "shop_category"."id", "shop_category"."title" FROM "shop_product" INNER JOIN "shop_category" ON ("shop_product"."category_id" = "shop_category"."id") WHERE ("shop_product"."active" = true AND UPPER("shop_product"."name"::text) LIKE UPPER('%tea%')) ORDER BY "shop_product"."name" ASC LIMIT 21;
BEGIN;
COMMIT;
select abalance from pgbench_accounts where aid = 12345;
SELECT e1_0.id,e1_0.active,e1_0.department_id,e1_0.email,e1_0.hired_on,e1_0.name FROM employee e1_0 LEFT JOIN department d1_0 ON d1_0.id=e1_0.department_id WHERE d1_0.name=? AND e1_0.hired_on BETWEEN ? AND ?;
