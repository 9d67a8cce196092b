//! Imagined indexes.

use model::ParameterFormat::Binary;
use model::{CatalogFacts, SampleParameter};

use crate::shop::{Shop, candidate};

const BY_CUSTOMER: &str = "SELECT * FROM orders WHERE customer_id = $1";

#[tokio::test]
async fn a_useful_index_is_used_and_cheaper() {
    for user in ["postgres", "web_trust"] {
        let shop = Shop::open_as(user).await;
        let grant = "GRANT SELECT ON orders TO web_trust";
        shop.client.batch_execute(grant).await.unwrap();
        if !shop.install_hypopg().await {
            return;
        }
        assert!(shop.read(&CatalogFacts::default()).await.databases[&shop.database.name].hypopg);
        let mut question = shop.question(BY_CUSTOMER);
        let value = Some(42_i64.to_be_bytes().as_slice().into());
        question.sample.parameters = vec![SampleParameter { format: Binary, value }];
        question.candidates = vec![
            candidate(&["customer_id", "Placed At"]),
            // A B-tree takes no json: that candidate drops out, the others do not.
            candidate(&["details"]),
            candidate(&["status"]),
        ];
        let answer = shop.catalog.plan(&question).await;
        let [useful, useless] = answer.what_if.as_slice() else { panic!("{user}: {answer:?}") };
        let cost = answer.cost.unwrap();
        assert_eq!(useful.candidate, question.candidates[0]);
        assert!(useful.used && useful.cost < cost / 2.0, "{answer:?}");
        assert!(useful.bytes >= 5000 * 16, "{answer:?}");
        assert!(!useless.used, "{answer:?}");
        assert_eq!(useless.cost, cost);

        // Nothing imagined is left on the connection.
        question.candidates.clear();
        let again = shop.catalog.plan(&question).await;
        assert_eq!((again.cost, again.what_if), (Some(cost), vec![]));
    }
}

#[tokio::test]
async fn five_candidates_are_tried_at_most() {
    let shop = Shop::open().await;
    if !shop.install_hypopg().await {
        return;
    }
    let mut question = shop.question("SELECT * FROM orders WHERE customer_id = 7");
    question.candidates = vec![candidate(&["customer_id"]); 8];
    assert_eq!(shop.catalog.plan(&question).await.what_if.len(), 5);
}

#[tokio::test]
async fn without_hypopg_the_plan_stands_alone() {
    let shop = Shop::open().await;
    let mut question = shop.question("SELECT * FROM orders WHERE customer_id = 7");
    question.candidates = vec![candidate(&["customer_id"])];
    let answer = shop.catalog.plan(&question).await;
    assert_eq!((answer.problem, answer.what_if), (None, vec![]));
    assert_eq!(answer.scans.len(), 1);
}
