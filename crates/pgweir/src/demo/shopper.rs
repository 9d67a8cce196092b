//! What the shop's visitors and its payment worker do, one visit at a time.

use std::collections::HashMap;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Statement};

use super::schema::{CARTS, COMPANY_ORDER_EVERY, CUSTOMERS, ORDERS, PRODUCTS, SESSIONS};

const PRODUCT: &str =
    "SELECT id, category_id, name, description, price_cents, stock FROM products WHERE id = $1";
const REVIEWS: &str = "SELECT id, rating, body, created_at FROM reviews WHERE product_id = $1 \
                       ORDER BY created_at DESC LIMIT 10";
const CART: &str = "SELECT id, items FROM carts WHERE session_token = $1";
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
const SIGN_UP_ONCE: &str = "INSERT INTO customers (email, name, country) \
                            VALUES ($1, 'New customer', 'FR') ON CONFLICT (email) DO NOTHING";
const LINES_AND_PRODUCTS: &str = "SELECT l.id, l.product_id, l.quantity, l.price_cents, p.name \
                                  FROM order_lines l JOIN products p ON p.id = l.product_id \
                                  WHERE l.order_id = $1";
const BROWSE: &str = "SELECT id, name, price_cents FROM products ORDER BY id LIMIT 24 OFFSET $1";
const BROWSE_ON: &str =
    "SELECT id, name, price_cents FROM products WHERE id > $1 ORDER BY id LIMIT 24";
const SEARCH: &str = "SELECT id, name FROM products WHERE name LIKE $1";
const LOG_IN: &str = "SELECT id, name FROM customers WHERE lower(email) = $1";
const STOCK: &str = "SELECT stock FROM products WHERE id = $1";
const MENU: &str =
    "SELECT id, name FROM categories WHERE id NOT IN (SELECT parent_id FROM categories)";
const MENU_ONCE: &str = "SELECT id, name FROM categories c \
    WHERE NOT EXISTS (SELECT 1 FROM categories child WHERE child.parent_id = c.id)";
const EXPORT: &str = "SELECT id, name, description, price_cents FROM products ORDER BY id";
const EXPORT_PART: &str = "SELECT id, name, description, price_cents FROM products \
                           WHERE id > $1 ORDER BY id LIMIT 500";
const LOG_OUT: &str = "DELETE FROM sessions WHERE id = $1";
const REFUNDS: &str = "SELECT count(DISTINCT customer_id) FROM events WHERE kind = $1";
const NEXT_PENDING: &str = "SELECT id, total_cents FROM orders WHERE status = 'pending' \
                            ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED";
const MARK_PAID: &str = "UPDATE orders SET status = 'paid' WHERE id = $1";

/// A page that a visitor asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Visit {
    /// A product, its reviews, and others by their ids, written into the text.
    Product,
    /// The cart of a session.
    Cart,
    /// A customer and their orders.
    Account,
    /// A company's order, each line's product fetched on its own.
    Order,
    /// A category's cheapest products. Healthy.
    Category,
    /// A purchase, in a transaction. Healthy.
    Checkout,
    /// A new customer; one in ten takes an address that is taken.
    SignUp,
    /// A page far down the list of all products.
    Browse,
    /// Products by a part of their name.
    Search,
    /// A customer by address, in capitals or not.
    LogIn,
    /// How many of a product are left, its id sent as a floating-point number.
    Stock,
    /// Categories that have no others below them.
    Menu,
    /// All products, for a partner.
    Export,
    /// The end of a session, which deletes what refers to it.
    LogOut,
    /// How many customers were given their money back.
    Refunds,
    /// An order is paid: a worker's job, no visitor's.
    Payment,
}

/// Visits and how often each comes, of 100.
const MIX: &[(Visit, u32)] = &[
    (Visit::Product, 16),
    (Visit::Cart, 14),
    (Visit::Account, 10),
    (Visit::Order, 6),
    (Visit::Category, 8),
    (Visit::Checkout, 6),
    (Visit::SignUp, 6),
    (Visit::Browse, 8),
    (Visit::Search, 7),
    (Visit::LogIn, 8),
    (Visit::Stock, 5),
    (Visit::Menu, 2),
    (Visit::Export, 1),
    (Visit::LogOut, 2),
    (Visit::Refunds, 1),
];

impl Visit {
    /// Each kind.
    #[cfg(test)]
    pub(super) fn all() -> impl Iterator<Item = Self> {
        MIX.iter().map(|(visit, _)| *visit).chain([Self::Payment])
    }

    /// What it is called.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Product => "product page",
            Self::Cart => "cart",
            Self::Account => "account",
            Self::Order => "order page",
            Self::Category => "category",
            Self::Checkout => "checkout",
            Self::SignUp => "sign-up",
            Self::Browse => "product list",
            Self::Search => "search",
            Self::LogIn => "login",
            Self::Stock => "stock",
            Self::Menu => "menu",
            Self::Export => "export",
            Self::LogOut => "logout",
            Self::Refunds => "refunds",
            Self::Payment => "payment",
        }
    }

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
    statements: HashMap<(&'static str, Option<Type>), Statement>,
    /// Whether the shop's own code was fixed.
    fixed: bool,
}

impl<'a> Shopper<'a> {
    pub(super) fn new(client: &'a mut Client, random: StdRng) -> Self {
        Self { client, random, statements: HashMap::new(), fixed: false }
    }

    /// The shop's code, as it was or as it should be.
    pub(super) fn deploy(&mut self, fixed: bool) {
        self.fixed = fixed;
    }

    /// The visitor's dice.
    pub(super) fn random(&mut self) -> &mut StdRng {
        &mut self.random
    }

    async fn prepared(&mut self, sql: &'static str) -> Result<Statement, Error> {
        self.prepared_for(sql, None).await
    }

    async fn prepared_for(
        &mut self,
        sql: &'static str,
        parameter: Option<Type>,
    ) -> Result<Statement, Error> {
        let key = (sql, parameter);
        if let Some(statement) = self.statements.get(&key) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare_typed(sql, key.1.as_slice()).await?;
        self.statements.insert(key, statement.clone());
        Ok(statement)
    }

    async fn ask(
        &mut self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Visited, Error> {
        let statement = self.prepared(sql).await?;
        self.client.query(&statement, parameters).await?;
        Ok(Visited::Done)
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
                self.ask(CART, &[&token]).await
            }
            Visit::Account => {
                let customer = self.one_of(CUSTOMERS);
                self.ask(CUSTOMER, &[&customer]).await?;
                self.ask(ACCOUNT, &[&customer]).await
            }
            Visit::Order => self.order().await,
            Visit::Category => {
                let category = self.random.random_range(1..=200_i32);
                self.ask(CATEGORY, &[&category]).await
            }
            Visit::Checkout => self.checkout().await,
            Visit::SignUp => self.sign_up().await,
            Visit::Browse => {
                let after = self.random.random_range(15_000..PRODUCTS - 24);
                self.ask(if self.fixed { BROWSE_ON } else { BROWSE }, &[&after]).await
            }
            Visit::Search => {
                let part = format!("%no. {}%", self.random.random_range(1_000..PRODUCTS));
                self.ask(SEARCH, &[&part]).await
            }
            Visit::LogIn => {
                let address = format!("customer{}@example.com", self.one_of(CUSTOMERS));
                self.ask(LOG_IN, &[&address]).await
            }
            Visit::Stock => self.stock().await,
            Visit::Menu => self.ask(if self.fixed { MENU_ONCE } else { MENU }, &[]).await,
            Visit::Export => {
                let after = self.one_of(PRODUCTS);
                if self.fixed {
                    return self.ask(EXPORT_PART, &[&after]).await;
                }
                self.ask(EXPORT, &[]).await
            }
            Visit::LogOut => {
                let session = self.one_of(SESSIONS);
                self.ask(LOG_OUT, &[&session]).await
            }
            Visit::Refunds => self.ask(REFUNDS, &[&"refund"]).await,
            Visit::Payment => self.collect_payment().await,
        }
    }

    async fn product(&mut self) -> Result<Visited, Error> {
        let product = self.one_of(PRODUCTS);
        self.ask(PRODUCT, &[&product]).await?;
        self.ask(REVIEWS, &[&product]).await?;
        for _ in 0..3 {
            let other = self.one_of(PRODUCTS);
            if self.fixed {
                self.ask(LINE_PRODUCT, &[&other]).await?;
            } else {
                let text =
                    format!("SELECT name, price_cents, stock FROM products WHERE id = {other}");
                self.client.simple_query(&text).await?;
            }
        }
        Ok(Visited::Done)
    }

    async fn stock(&mut self) -> Result<Visited, Error> {
        let product = self.one_of(PRODUCTS);
        if self.fixed {
            return self.ask(STOCK, &[&product]).await;
        }
        let statement = self.prepared_for(STOCK, Some(Type::FLOAT8)).await?;
        self.client.query(&statement, &[&(product as f64)]).await?;
        Ok(Visited::Done)
    }

    /// What an object-relational mapper with lazy loading makes of "show this order".
    async fn order(&mut self) -> Result<Visited, Error> {
        let order = self.one_of(ORDERS / COMPANY_ORDER_EVERY) * COMPANY_ORDER_EVERY;
        if self.fixed {
            self.ask(ORDER, &[&order]).await?;
            return self.ask(LINES_AND_PRODUCTS, &[&order]).await;
        }
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
        let statement = self.prepared(if self.fixed { SIGN_UP_ONCE } else { SIGN_UP }).await?;
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
        let mut transaction = self.client.transaction().await?;
        if let Some(row) = transaction.query_opt(&next, &[]).await? {
            let order: i64 = row.try_get(0)?;
            if self.fixed {
                transaction.execute(&paid, &[&order]).await?;
                transaction.commit().await?;
                tokio::time::sleep(provider).await;
                transaction = self.client.transaction().await?;
            } else {
                tokio::time::sleep(provider).await;
                transaction.execute(&paid, &[&order]).await?;
            }
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
