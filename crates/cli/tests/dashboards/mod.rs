//! Tests the dashboards: the saved objects, their import, and that each panel shows exactly what the
//! command shows.

mod fleet;
mod history;
mod import;
mod objects;
mod panels;
mod present;
mod strip;
