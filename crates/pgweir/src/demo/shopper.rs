//! What the shop's visitors and its payment worker do, one visit at a time.

use std::collections::HashMap;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, Statement};

use super::schema::{CARTS, COMPANY_ORDER_EVERY, CUSTOMERS, ORDERS, PRODUCTS};

const PRODUCT: &str =
    "SELECT id, category_id, name, description, price_cents, stock FROM products WHERE id = $1";
const REVIEWS: &str = "SELECT id, rating, body, created_at FROM reviews WHERE product_id = $1 \
                       ORDER BY created_at DESC LIMIT 10";
const CART: &str = "SELECT id, customer_id, items FROM carts WHERE session_token = $1";
const ACCOUNT: &str = "SELECT id, status, total_cents, placed_at FROM orders WHERE customer_id = $1 \
                       ORDER BY placed_at DESC LIMIT 20";
const CUSTOMER: &str = "SELECT name, email, country FROM customers WHERE id = $1";
const ORDER: &str = "SELECT id, customer_id, status, shipping_address FROM orders WHERE id = $1";
const ORDER_LINES: &str =
    "SELECT id, product_id, quantity, price_cents FROM order_lines WHERE order_id = $1";
const LINE_PRODUCT: &str = "SELECT name, price_cents FROM products WHERE id = $1";
const CATEGORY: &str = "SELECT id, name, price_cents FROM products WHERE category_id = $1 \
                        ORDER BY price_cents LIMIT 24";
const PLACE_ORDER: &str = "INSERT INTO orders (customer_id, status, total_cents, shipping_address) \
                           VALUES ($1, 'pending', $2, 'by the river') RETURNING id";
const PLACE_LINE: &str = "INSERT INTO order_lines (order_id, product_id, quantity, price_cents) \
                          VALUES ($1, $2, 1, 999)";
const TAKE_STOCK: &str = "UPDATE products SET stock = stock - 1 WHERE id = $1";
const SIGN_UP: &str =
    "INSERT INTO customers (email, name, country) VALUES ($1, 'New customer', 'FR')";
const NEXT_PENDING: &str = "SELECT id, total_cents FROM orders WHERE status = 'pending' \
                            ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED";
const MARK_PAID: &str = "UPDATE orders SET status = 'paid' WHERE id = $1";

/// A page that a visitor asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visit {
    /// A product and its reviews; the reviews lack an index.
    Product,
    /// The cart of a session, which lacks an index.
    Cart,
    /// A customer and their orders, which lack an index.
    Account,
    /// A company's order: its lines lack an index, and each line's product is fetched on its own.
    Order,
    /// A category's cheapest products. Healthy.
    Category,
    /// A purchase, in a transaction. Healthy.
    Checkout,
    /// A new customer; one in ten takes an address that is taken.
    SignUp,
}

/// Visits and how often each comes, of 100.
const MIX: &[(Visit, u32)] = &[
    (Visit::Product, 40),
    (Visit::Cart, 18),
    (Visit::Account, 10),
    (Visit::Order, 8),
    (Visit::Category, 12),
    (Visit::Checkout, 6),
    (Visit::SignUp, 6),
];

impl Visit {
    /// The next page.
    pub(super) fn next(random: &mut StdRng) -> Self {
        let mut left: u32 = random.random_range(0..100);
        for (visit, share) in MIX {
            match left.checked_sub(*share) {
                None => return *visit,
                Some(rest) => left = rest,
            }
        }
        Self::Product
    }
}

/// The session token of a cart, as `schema.rs` made it.
fn session_token(cart: i64) -> String {
    format!("{:016x}", cart * 2_654_435_761)
}

/// How a visit ended.
#[derive(Debug)]
pub(super) enum Visited {
    /// As it should.
    Done,
    /// Refused by the database as planned: an address that is taken.
    Refused,
}

/// A visitor's connection, with the statements that it has prepared so far.
pub(super) struct Shopper<'a> {
    client: &'a mut Client,
    random: StdRng,
    statements: HashMap<&'static str, Statement>,
}

impl<'a> Shopper<'a> {
    pub(super) fn new(client: &'a mut Client, random: StdRng) -> Self {
        Self { client, random, statements: HashMap::new() }
    }

    /// The visitor's dice.
    pub(super) fn random(&mut self) -> &mut StdRng {
        &mut self.random
    }

    async fn prepared(&mut self, sql: &'static str) -> Result<Statement, Error> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }

    fn one_of(&mut self, rows: i64) -> i64 {
        self.random.random_range(1..=rows)
    }

    /// Asks for one page.
    pub(super) async fn visit(&mut self, visit: Visit) -> Result<Visited, Error> {
        match visit {
            Visit::Product => self.product().await,
            Visit::Cart => {
                let token = session_token(self.one_of(CARTS));
                let statement = self.prepared(CART).await?;
                self.client.query(&statement, &[&token]).await?;
                Ok(Visited::Done)
            }
            Visit::Account => {
                let customer = self.one_of(CUSTOMERS);
                for sql in [CUSTOMER, ACCOUNT] {
                    let statement = self.prepared(sql).await?;
                    self.client.query(&statement, &[&customer]).await?;
                }
                Ok(Visited::Done)
            }
            Visit::Order => self.order().await,
            Visit::Category => {
                let category = self.random.random_range(1..=200_i32);
                let statement = self.prepared(CATEGORY).await?;
                self.client.query(&statement, &[&category]).await?;
                Ok(Visited::Done)
            }
            Visit::Checkout => self.checkout().await,
            Visit::SignUp => self.sign_up().await,
        }
    }

    async fn product(&mut self) -> Result<Visited, Error> {
        let product = self.one_of(PRODUCTS);
        for sql in [PRODUCT, REVIEWS] {
            let statement = self.prepared(sql).await?;
            self.client.query(&statement, &[&product]).await?;
        }
        Ok(Visited::Done)
    }

    /// What an object-relational mapper with lazy loading makes of "show this order".
    async fn order(&mut self) -> Result<Visited, Error> {
        let order = self.one_of(ORDERS / COMPANY_ORDER_EVERY) * COMPANY_ORDER_EVERY;
        let head = self.prepared(ORDER).await?;
        let lines = self.prepared(ORDER_LINES).await?;
        let product = self.prepared(LINE_PRODUCT).await?;
        let transaction = self.client.transaction().await?;
        transaction.query(&head, &[&order]).await?;
        for line in transaction.query(&lines, &[&order]).await? {
            let id: i64 = line.try_get(1)?;
            transaction.query(&product, &[&id]).await?;
        }
        transaction.commit().await?;
        Ok(Visited::Done)
    }

    async fn checkout(&mut self) -> Result<Visited, Error> {
        let customer = self.one_of(CUSTOMERS);
        // In order, so that two purchases never wait for each other in a circle.
        let mut products: Vec<i64> = (0..3).map(|_| self.one_of(PRODUCTS)).collect();
        products.sort_unstable();
        let place = self.prepared(PLACE_ORDER).await?;
        let line = self.prepared(PLACE_LINE).await?;
        let stock = self.prepared(TAKE_STOCK).await?;
        let transaction = self.client.transaction().await?;
        let row = transaction.query_one(&place, &[&customer, &2997_i32]).await?;
        let order: i64 = row.try_get(0)?;
        for product in &products {
            transaction.execute(&line, &[&order, product]).await?;
            transaction.execute(&stock, &[product]).await?;
        }
        transaction.commit().await?;
        Ok(Visited::Done)
    }

    async fn sign_up(&mut self) -> Result<Visited, Error> {
        let taken = self.random.random_range(0..10) == 0;
        let email = if taken {
            format!("customer{}@example.com", self.one_of(CUSTOMERS))
        } else {
            format!("new-{:032x}@example.com", self.random.random::<u128>())
        };
        let statement = self.prepared(SIGN_UP).await?;
        match self.client.execute(&statement, &[&email]).await {
            Ok(_) => Ok(Visited::Done),
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Ok(Visited::Refused),
            Err(error) => Err(error),
        }
    }

    /// The worker's flaw: it asks the payment provider, over the internet, while its transaction is
    /// open and holds a server connection.
    pub(super) async fn collect_payment(&mut self) -> Result<Visited, Error> {
        let provider = Duration::from_millis(self.random.random_range(1_500..4_000));
        let next = self.prepared(NEXT_PENDING).await?;
        let paid = self.prepared(MARK_PAID).await?;
        let transaction = self.client.transaction().await?;
        if let Some(row) = transaction.query_opt(&next, &[]).await? {
            let order: i64 = row.try_get(0)?;
            tokio::time::sleep(provider).await;
            transaction.execute(&paid, &[&order]).await?;
        }
        transaction.commit().await?;
        Ok(Visited::Done)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn the_mix_is_whole_and_comes_out() {
        assert_eq!(MIX.iter().map(|(_, share)| share).sum::<u32>(), 100);
        let mut random = StdRng::seed_from_u64(1);
        let visits: Vec<Visit> = (0..10_000).map(|_| Visit::next(&mut random)).collect();
        for (visit, share) in MIX {
            let came = visits.iter().filter(|one| *one == visit).count();
            let expected = *share as usize * 100;
            assert!(came.abs_diff(expected) < 200, "{visit:?}: {came} of {expected}");
        }
    }
}
