//! Creates or updates the ingest pipeline, and keeps the limits of the site, which are its
//! parameters.

use opensearch::ingest::IngestPutPipelineParts;
use serde_json::Value;

use super::error::InstallError;
use super::lifetime_limits::SiteBounds;
use super::{Change, InstallStep, Installer, change, files};
use crate::http::{Method, Request};

/// The name of the pipeline, which does not depend on the name of the index.
pub(crate) const PIPELINE: &str = "directives";
const WHAT: &str = "ingest pipeline";
const PARAMS: &str = "/processors/1/script/params";

impl Installer {
    /// Returns the limits of the site; `None` if no pipeline with limits is installed.
    ///
    /// # Errors
    /// [`InstallError`] if the pipeline cannot be read.
    pub async fn bounds(&self) -> Result<Option<SiteBounds>, InstallError> {
        Ok(self.installed_pipeline().await?.as_ref().and_then(bounds))
    }

    pub(super) async fn plan_pipeline(&self) -> Result<InstallStep, InstallError> {
        let mut body = files::pipeline();
        let installed = self.installed_pipeline().await?;
        // A newer pipeline is refused before its limits are read.
        let mut change = change(WHAT, &body, installed.as_ref())?;
        let ours = bounds(&body)
            .ok_or_else(|| InstallError::bounds("the embedded pipeline has no limits"))?;
        let kept = installed.as_ref().and_then(bounds);
        let wanted = kept.unwrap_or(ours).with(self.bounds)?;
        if let Some(params) = body.pointer_mut(PARAMS) {
            wanted.write_to(params);
        }
        if change == Change::Keep && kept != Some(wanted) {
            change = Change::Update;
        }
        Ok(InstallStep::put(WHAT, change, path(), body))
    }

    async fn installed_pipeline(&self) -> Result<Option<Value>, InstallError> {
        let response = self.fetch(WHAT, Request::new(Method::Get, path())).await?;
        Ok(response.map(|mut response| response[PIPELINE].take()))
    }
}

fn path() -> std::borrow::Cow<'static, str> {
    IngestPutPipelineParts::Id(PIPELINE).url()
}

fn bounds(pipeline: &Value) -> Option<SiteBounds> {
    SiteBounds::of(pipeline.pointer(PARAMS)?)
}
