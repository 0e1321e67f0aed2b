//! Requests the name and the roles of the authenticated user from the security plugin.

use serde::Deserialize;

use crate::admin::{DirectivesApi, WriteError};
use crate::http::{Method, Request};

/// The user as whom the cluster authenticated this client.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Caller {
    /// The login name of the authenticated user.
    pub name: String,
    /// The names of the security roles to which the authenticated user is mapped.
    pub roles: Vec<String>,
}

impl DirectivesApi {
    /// Returns the authenticated user and the roles of this user. Returns `None` if the cluster
    /// reports no user, for example because it has no security plugin.
    ///
    /// # Errors
    /// Returns an error if the cluster does not respond.
    pub async fn caller(&self) -> Result<Option<Caller>, WriteError> {
        #[derive(Deserialize)]
        struct AuthInfo {
            user_name: Option<String>,
            #[serde(default)]
            roles: Vec<String>,
        }
        let request = Request::new(Method::Get, "/_plugins/_security/authinfo");
        match self.json::<AuthInfo>(request).await {
            Ok(info) => {
                let name = info.user_name.filter(|name| !name.is_empty());
                let roles = info.roles;
                Ok(name.map(|name| Caller { name, roles }))
            }
            Err(error) if error.is_unreachable() => Err(error),
            Err(_) => Ok(None),
        }
    }
}
