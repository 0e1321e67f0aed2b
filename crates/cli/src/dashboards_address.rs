//! Parses an address of OpenSearch Dashboards that the user has copied from a browser. Also
//! determines the tenant and the workspace into which `init` imports the dashboards.

use std::str::FromStr;

use url::Url;

/// The address of OpenSearch Dashboards, with the base path and the workspace, but without the page
/// (`/app/...`).
#[derive(Clone, Debug)]
pub(super) struct DashboardsAddress {
    pub(super) url: Url,
    /// The tenant that the address from the browser contains; `None` if it contains no tenant.
    tenant: Option<String>,
}

impl FromStr for DashboardsAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let write = "write an address such as http://HOST:5601 or https://HOST/BASE-PATH";
        // The error message does not repeat the address, because the address may contain a
        // password.
        let mut url: Url = text
            .trim()
            .parse()
            .map_err(|error| format!("it is not an address ({error}); {write}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(format!("it is not an address; {write}"));
        }
        let tenant = url
            .query_pairs()
            .find(|(name, _)| name == "security_tenant")
            .map(|(_, tenant)| tenant.into_owned());
        url.set_query(None);
        url.set_fragment(None);
        let kept: Vec<&str> = url
            .path()
            .split('/')
            .take_while(|segment| *segment != "app")
            .filter(|segment| !segment.is_empty())
            .collect();
        let path = format!("/{}", kept.join("/"));
        url.set_path(&path);
        Ok(Self { url, tenant })
    }
}

impl DashboardsAddress {
    /// Returns the tenant into which `init` imports the dashboards: the tenant in the flag, or else
    /// the tenant in the address.
    pub(super) fn tenant<'a>(&'a self, flag: Option<&'a str>) -> Option<&'a str> {
        flag.or(self.tenant.as_deref())
    }

    /// Returns the address as the command prints it: without credentials and without a trailing
    /// slash.
    pub(super) fn shown(&self) -> String {
        let mut url = self.url.clone();
        // `set_username` and `set_password` fail only for an address without a host, and `from_str`
        // has already refused such an address.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.as_str().trim_end_matches('/').to_owned()
    }

    /// Describes where the imported objects are: in which tenant, in which workspace, and at which
    /// address.
    pub(super) fn place(&self, tenant: Option<&str>) -> String {
        let workspace = self.workspace().map(|id| format!(" the workspace {id} of"));
        let tenant = match tenant {
            Some(tenant) => format!(" the tenant {tenant} of"),
            None => String::new(),
        };
        format!("{tenant}{} {}", workspace.unwrap_or_default(), self.shown())
    }

    fn workspace(&self) -> Option<&str> {
        let mut segments = self.url.path_segments()?;
        segments.find(|segment| *segment == "w")?;
        segments.next()
    }

    /// Returns the URL of a page of OpenSearch Dashboards, such as an imported dashboard.
    pub(super) fn link(&self, path: &str, tenant: Option<&str>) -> String {
        let (page, fragment) = path.split_once('#').unwrap_or((path, ""));
        let query = tenant.map(|tenant| {
            let encoded: String = url::form_urlencoded::byte_serialize(tenant.as_bytes()).collect();
            format!("?security_tenant={encoded}")
        });
        format!(
            "{}{page}{}#{fragment}",
            self.shown(),
            query.unwrap_or_default()
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_address_from_a_browser_is_cut_to_its_base() {
        for (text, shown, tenant) in [
            ("http://h:5601", "http://h:5601", None),
            ("http://h:5601/", "http://h:5601", None),
            ("https://h/base/app/home#/", "https://h/base", None),
            ("https://h/base/app", "https://h/base", None),
            (
                "https://h/base/w/ab1/app/dashboards?security_tenant=ops#/list",
                "https://h/base/w/ab1",
                Some("ops"),
            ),
            ("https://ann:secret@h/base", "https://h/base", None),
            // `/apps` is a part of the base path, although it begins with `/app`, the path of the
            // pages.
            ("https://h/apps/app/home", "https://h/apps", None),
        ] {
            let address: DashboardsAddress = text.parse().unwrap();
            assert_eq!(address.shown(), shown, "{text}");
            assert_eq!(address.tenant(None), tenant, "{text}");
        }
        for text in ["h:5601", "ftp://h", "secret"] {
            let error = DashboardsAddress::from_str(text).unwrap_err();
            assert!(error.contains("it is not an address"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn the_place_and_the_link_name_tenant_and_workspace() {
        let address: DashboardsAddress = "https://h/base/w/ab1".parse().unwrap();
        assert_eq!(
            address.place(Some("ops")),
            " the tenant ops of the workspace ab1 of https://h/base/w/ab1"
        );
        assert_eq!(
            address.link("/app/dashboards#/view/x", Some("a b")),
            "https://h/base/w/ab1/app/dashboards?security_tenant=a+b#/view/x"
        );
    }
}
