//! The query of a request.

use super::problem::Problem;

/// The value of the only parameter that a path takes.
pub(super) fn only(name: &'static str, query: Option<&str>) -> Result<Option<String>, Problem> {
    let mut only = None;
    for (found, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if found != name {
            let problem = format!("it is not a parameter; there is {name}");
            return Err(Problem::field(found, &problem));
        }
        if only.replace(value.into_owned()).is_some() {
            return Err(Problem::field(name, "it is there twice; leave one out"));
        }
    }
    Ok(only)
}
