//! Tests the saved objects of the dashboards for OpenSearch Dashboards, and their import. Also
//! tests that each panel shows the same data as the command.

mod fleet;
mod history;
mod import;
mod objects;
mod panels;
mod present;
mod strip;
