//! Tests the dashboards for OpenSearch Dashboards: the saved objects and their import. Also tests
//! that each panel shows the same data as the command.

mod fleet;
mod history;
mod import;
mod objects;
mod panels;
mod present;
mod strip;
