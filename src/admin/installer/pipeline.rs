//! Creates or updates the ingest pipeline. The lifetime limits of the cluster are parameters of the
//! pipeline, and an update of the pipeline preserves them.

use opensearch::ingest::IngestPutPipelineParts;
use serde_json::Value;

use super::error::InstallError;
use super::lifetime_limits::LifetimeLimits;
use super::{Change, InstallStep, Installer, change, files};
use crate::admin::{DirectivesApi, WriteError};
use crate::http::{Method, Request};
use crate::rest::PIPELINE;

const WHAT: &str = "ingest pipeline";
const PARAMS: &str = "/processors/1/script/params";

impl Installer {
    /// Returns the lifetime limits of the cluster; `None` if no pipeline with limits is installed.
    ///
    /// # Errors
    /// Returns an [`InstallError`] if the pipeline cannot be read.
    pub async fn lifetime_limits(&self) -> Result<Option<LifetimeLimits>, InstallError> {
        Ok(self.installed_pipeline().await?.as_ref().and_then(limits))
    }

    pub(super) async fn plan_pipeline(&self) -> Result<InstallStep, InstallError> {
        let mut body = files::pipeline();
        let installed = self.installed_pipeline().await?;
        // `change` returns an error if the installed pipeline is newer than this program, so the
        // code below never reads the limits of a newer pipeline.
        let mut change = change(WHAT, &body, installed.as_ref())?;
        let ours = limits(&body)
            .ok_or_else(|| InstallError::limits("the embedded pipeline has no limits"))?;
        let installed_limits = installed.as_ref().and_then(limits);
        let wanted = installed_limits.unwrap_or(ours).with(self.limits)?;
        if let Some(params) = body.pointer_mut(PARAMS) {
            wanted.write_to(params);
        }
        if change == Change::Keep && installed_limits != Some(wanted) {
            change = Change::Update;
        }
        Ok(InstallStep::put(WHAT, change, path(), body))
    }

    async fn installed_pipeline(&self) -> Result<Option<Value>, InstallError> {
        let response = self.fetch(WHAT, Request::new(Method::Get, path())).await?;
        Ok(response.map(|mut response| response[PIPELINE].take()))
    }
}

impl DirectivesApi {
    /// Returns the lifetime limits of the cluster. Returns `None` if the user's role does not
    /// permit reading the ingest pipeline, or if no pipeline with limits is installed.
    ///
    /// # Errors
    /// Returns an error if the cluster does not respond, or does not accept the credentials.
    pub async fn lifetime_limits(&self) -> Result<Option<LifetimeLimits>, WriteError> {
        let request = Request::new(Method::Get, path());
        match self.client.json::<Value>(request).await {
            Ok(response) => Ok(limits(&response[PIPELINE])),
            Err(error) if error.is_unsupported() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn path() -> std::borrow::Cow<'static, str> {
    IngestPutPipelineParts::Id(PIPELINE).url()
}

fn limits(pipeline: &Value) -> Option<LifetimeLimits> {
    LifetimeLimits::of(pipeline.pointer(PARAMS)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_installation_has_the_initial_limits() {
        assert_eq!(limits(&files::pipeline()), Some(LifetimeLimits::INITIAL));
    }
}
