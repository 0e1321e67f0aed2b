//! Installs the fleet's index and the history of the fleet. In the fleet's index, instances report
//! which directives they apply. The history of the fleet is a data stream that contains a record of
//! the instances' reports.
//!
//! The history of the fleet and the history of the directives are separate data streams, because
//! every proxy may write to the first but not to the second.

use std::time::Duration;

use super::error::InstallError;
use super::history::HistoryState;
use super::{InstallStep, Installer, files};
use crate::fleet;

impl Installer {
    /// Returns the steps that [`install_fleet`](Self::install_fleet) would execute now.
    ///
    /// # Errors
    /// Returns the errors of `install_fleet` that can be detected before the first write.
    pub async fn plan_fleet(
        &self,
        retention: Option<Duration>,
    ) -> Result<Vec<InstallStep>, InstallError> {
        let fleet = self.of_fleet();
        let template = fleet.plan_template().await?;
        let index = fleet.plan_index(&template.body["template"]).await?;
        let history = fleet.plan_history(retention).await?;
        Ok([template].into_iter().chain(index).chain(history).collect())
    }

    /// Installs the index of the [fleet](crate::fleet) and the history of the fleet, verifies both,
    /// and returns the steps. If the caller gives a retention, the method also creates a policy
    /// that deletes older records, as [`install_history`](Self::install_history) does.
    ///
    /// # Errors
    /// Returns an [`InstallError`] if a step fails. The installation does not undo the steps that
    /// it executed before the failed step. If the caller repeats the installation, the installation
    /// continues with the failed step.
    pub async fn install_fleet(
        &self,
        retention: Option<Duration>,
    ) -> Result<Vec<InstallStep>, InstallError> {
        let fleet = self.of_fleet();
        let template = fleet.plan_template().await?;
        let index = fleet.plan_index(&template.body["template"]).await?;
        let mut steps: Vec<InstallStep> = [template].into_iter().chain(index).collect();
        for step in &steps {
            self.execute(step).await?;
        }
        fleet.verify_index().await?;
        steps.extend(fleet.install_history(retention).await?);
        Ok(steps)
    }

    /// Returns the state of the data stream with the fleet's history; `None` if the data stream
    /// does not exist.
    ///
    /// # Errors
    /// Returns an error if the cluster does not respond, or if the user's role does not permit
    /// reading the data stream.
    pub async fn fleet_history_state(&self) -> Result<Option<HistoryState>, InstallError> {
        self.of_fleet().history_state().await
    }

    /// Returns an installer for the fleet's index and for the history of the fleet.
    fn of_fleet(&self) -> Self {
        let name = fleet::index_name(self.client.index());
        let template = ("index template", files::fleet_template as fn() -> _);
        Self {
            history_file: files::fleet_history_template,
            ..self.for_index(&name, template)
        }
    }
}
