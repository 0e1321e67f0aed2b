//! Installs the fleet's index, in which instances report which directives they apply, and the
//! template of this index.

use super::error::InstallError;
use super::{InstallStep, Installer, files};
use crate::fleet;

impl Installer {
    /// Returns the steps that [`install_fleet`](Self::install_fleet) would execute now.
    ///
    /// # Errors
    /// Fails like `install_fleet`, as far as an error can be detected before a write.
    pub async fn plan_fleet(&self) -> Result<Vec<InstallStep>, InstallError> {
        let fleet = self.of_fleet();
        let template = fleet.plan_template().await?;
        let index = fleet.plan_index(&template.body["template"]).await?;
        Ok([template].into_iter().chain(index).collect())
    }

    /// Installs the index of the [fleet](crate::fleet) and its template, verifies the index, and
    /// returns the steps.
    ///
    /// # Errors
    /// [`InstallError`] if a step fails. The executed steps are not undone, and a repeated
    /// installation continues with the failed step.
    pub async fn install_fleet(&self) -> Result<Vec<InstallStep>, InstallError> {
        let steps = self.plan_fleet().await?;
        for step in &steps {
            self.execute(step).await?;
        }
        self.of_fleet().verify_index().await?;
        Ok(steps)
    }

    /// An installer of the fleet's index.
    fn of_fleet(&self) -> Self {
        let name = fleet::index_name(self.client.index());
        self.for_index(&name, ("index template", files::fleet_template))
    }
}
