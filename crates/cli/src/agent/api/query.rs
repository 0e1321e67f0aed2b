//! Parses query strings strictly: an unknown or repeated parameter is an error.

use super::problem::Problem;

/// Returns the values of the query parameters in `names`, in the order of `names`.
pub(super) fn parameters<const N: usize>(
    names: [&'static str; N],
    query: Option<&str>,
) -> Result<[Option<String>; N], Problem> {
    let mut values = [const { None }; N];
    for (found, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let Some(offset) = names.iter().position(|name| *name == found) else {
            let problem = format!("this parameter is unknown; known: {}", names.join(", "));
            return Err(Problem::field(found, &problem));
        };
        if values[offset].replace(value.into_owned()).is_some() {
            return Err(Problem::field(found, "it is repeated; send it once"));
        }
    }
    Ok(values)
}

/// Returns true if the query string contains the parameter `name` without a value. Returns an error
/// if the query string contains any other parameter.
pub(super) fn single_flag(name: &'static str, query: Option<&str>) -> Result<bool, Problem> {
    let [value] = parameters([name], query)?;
    match value.as_deref() {
        None => Ok(false),
        Some("") => Ok(true),
        Some(_) => Err(Problem::field(name, "it takes no value")),
    }
}
