//! Decides with which credentials a command authenticates to the cluster.

use std::ffi::OsStr;
use std::path::PathBuf;

use opensearch_directives::{Credentials, Secret};

use super::ConnectionArgs;
use crate::context_file::{self, Context};
use crate::credential_command;
use crate::exit::Failure;

impl ConnectionArgs {
    /// Returns the credentials in the flags, in their variables, or in the selected context.
    pub(super) async fn credentials(&self) -> Result<Credentials, Failure> {
        match context_file::selected() {
            Some(selected) => self.overriding(&selected.context).given_credentials().await,
            None => self.given_credentials().await,
        }
    }

    /// Returns a copy of the flags without the credentials of the context, if a flag or a variable
    /// sets credentials of another kind. A context sets the defaults of flags, so its user name
    /// would otherwise take precedence over a token that the user has given for this command.
    fn overriding(&self, context: &Context) -> Self {
        let is_own = |given: Option<&OsStr>, stored: &Option<String>| {
            given.is_some() && given != stored.as_deref().map(OsStr::new)
        };
        let own = |given: &Option<PathBuf>, stored: &Option<String>| {
            let given = given.as_ref();
            given
                .filter(|given| is_own(Some(given.as_os_str()), stored))
                .cloned()
        };
        let command = self.credential_command.as_deref().map(OsStr::new);
        let token = own(&self.bearer_token_file, &context.bearer_token_file);
        let key = own(&self.api_key_file, &context.api_key_file);
        let mut args = self.clone();
        if token.is_some() || key.is_some() {
            args.username = None;
            args.password_file = None;
            args.credential_command = None;
            args.bearer_token_file = token;
            args.api_key_file = key;
        } else if is_own(command, &context.credential_command) {
            args.password_file = own(&self.password_file, &context.password_file);
            args.bearer_token_file = None;
            args.api_key_file = None;
        }
        args
    }

    async fn given_credentials(&self) -> Result<Credentials, Failure> {
        #[cfg(feature = "aws-sigv4")]
        if let Some(region) = &self.aws_region {
            return aws(region.clone(), self.aws_service.clone()).await;
        }
        if self.password_file.is_some() && self.username.is_none() {
            return Err(Failure::usage("--password-file: set --username, too"));
        }
        let password = secret(self.password_file.as_ref(), "DIRECTIVES_PASSWORD");
        if let Some(username) = &self.username {
            let password = match (password, &self.credential_command) {
                (Some(password), _) => password,
                (None, Some(command)) => credential_command::secret(command).await?,
                (None, None) => {
                    return Err(Failure::usage(
                        "--username: set DIRECTIVES_PASSWORD, --password-file or \
                         --credential-command, too",
                    ));
                }
            };
            return Ok(Credentials::Basic {
                username: username.clone(),
                password,
            });
        }
        let token = secret(self.bearer_token_file.as_ref(), "DIRECTIVES_BEARER_TOKEN");
        if let Some(token) = token {
            return Ok(Credentials::Bearer(token));
        }
        if let Some(key) = secret(self.api_key_file.as_ref(), "DIRECTIVES_API_KEY") {
            return Ok(Credentials::ApiKey(key));
        }
        if let Some(command) = &self.credential_command {
            return Ok(Credentials::Bearer(
                credential_command::secret(command).await?,
            ));
        }
        if password.is_some() {
            return Err(Failure::usage(
                "a password is set (DIRECTIVES_PASSWORD), but no user name: set --username, too",
            ));
        }
        Ok(Credentials::None)
    }
}

/// Returns the secret in the given file, such as a password. If no file is given, returns the
/// secret in the environment variable. An empty environment variable counts as unset.
fn secret(file: Option<&PathBuf>, variable: &str) -> Option<Secret> {
    match file {
        Some(file) => Some(Secret::file(file)),
        None => std::env::var(variable)
            .ok()
            .filter(|text| !text.trim().is_empty())
            .map(Secret::from),
    }
}

#[cfg(feature = "aws-sigv4")]
async fn aws(region: String, service: String) -> Result<Credentials, Failure> {
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new(region.clone()))
        .load()
        .await;
    let provider = config.credentials_provider().ok_or_else(|| {
        Failure::usage("--aws-region: AWS's default provider chain found no credentials")
    })?;
    Ok(Credentials::AwsSigV4 {
        provider,
        region,
        service,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use clap::FromArgMatches as _;

    use super::*;
    use crate::context_file::Selected;

    fn context() -> Context {
        Context {
            url: vec!["http://127.0.0.1:9200/".to_owned()],
            username: Some("ops".to_owned()),
            password_file: Some("ops.password".to_owned()),
            client_certificate: Some("ops.pem".to_owned()),
            ..Context::default()
        }
    }

    /// Parses flags of `directives list`, of which the context sets the defaults.
    fn parsed(flags: &str) -> ConnectionArgs {
        let context = context();
        let name = "prod".to_owned();
        let command = crate::command(Some(&Selected { name, context }));
        let words = ["directives", "list"].into_iter();
        let words = words.chain(flags.split_whitespace());
        let matches = command.try_get_matches_from(words).unwrap();
        ConnectionArgs::from_arg_matches(matches.subcommand().unwrap().1).unwrap()
    }

    async fn credentials(flags: &str) -> Credentials {
        let args = parsed(flags).overriding(&context());
        args.given_credentials().await.unwrap()
    }

    #[tokio::test]
    async fn a_token_or_a_key_replaces_the_user_of_the_context() {
        let basic = credentials("").await;
        assert!(matches!(basic, Credentials::Basic { .. }));
        let bearer = credentials("--bearer-token-file token").await;
        assert!(matches!(bearer, Credentials::Bearer(_)));
        let key = credentials("--api-key-file key").await;
        assert!(matches!(key, Credentials::ApiKey(_)));
    }

    #[tokio::test]
    async fn a_password_or_a_key_completes_the_user_or_the_certificate_of_the_context() {
        let args = parsed("--password-file other --client-key ops.key");
        assert_eq!(args.password_file, Some("other".into()));
        assert!(args.tls().is_ok());
        let basic = args.overriding(&context()).given_credentials().await;
        assert!(matches!(basic.unwrap(), Credentials::Basic { username, .. } if username == "ops"));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_credential_command_replaces_the_password_of_the_context() {
        let args = parsed("--credential-command false").overriding(&context());
        assert_eq!(args.username.as_deref(), Some("ops"));
        args.given_credentials().await.unwrap_err();
    }
}
