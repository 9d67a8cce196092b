//! What is measured and said of it: from statements through the proxy to the report.

mod advise;
mod advise_safely;
mod finding_pgweir;
mod findings;
mod measuring;
mod own_connections;
mod privileges;
mod results;
mod scene;
mod workload;
