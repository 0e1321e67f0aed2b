//! `directives context`: stores the addresses and credential files of clusters under names, and
//! selects the current cluster.

use clap::{Args, Subcommand};

use super::context_file::{Context, Contexts};
use super::exit::Failure;
use super::stdio::print;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  directives context set prod --url https://search:9200 --username ops --password-file ~/.ops \\
    --protected
  directives context use prod

The contexts are stored in ~/.config/directives/contexts.yaml, or in the file that the variable
DIRECTIVES_CONFIG names.")]
pub(super) struct ContextArgs {
    #[command(subcommand)]
    verb: ContextVerb,
}

#[derive(Debug, Subcommand)]
enum ContextVerb {
    /// Create a context, or replace all its values
    Set(Box<SetArgs>),
    /// Make a context the current one
    Use {
        /// The context's name
        name: String,
    },
    /// List the contexts; an asterisk marks the current one
    List,
    /// Show the values of a context
    Show {
        /// The context's name [default: the current one]
        name: Option<String>,
    },
    /// Remove a context
    Delete {
        /// The context's name
        name: String,
    },
}

#[derive(Debug, Args)]
struct SetArgs {
    /// The context's name
    name: String,

    /// Address of a node; separate several by commas, or repeat the flag
    #[arg(long, value_name = "URL", value_delimiter = ',', required = true)]
    url: Vec<url::Url>,

    /// The index that holds the directives
    #[arg(long, value_name = "NAME")]
    directives_index: Option<String>,

    /// The user name
    #[arg(long, value_name = "NAME")]
    username: Option<String>,

    /// File that holds the password
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<String>,

    /// File that holds a bearer token
    #[arg(long, value_name = "FILE", conflicts_with = "username")]
    bearer_token_file: Option<String>,

    /// File that holds an API key as ID:KEY
    #[arg(long, value_name = "FILE", conflicts_with_all = ["username", "bearer_token_file"])]
    api_key_file: Option<String>,

    /// Command that prints the password of --username, or a bearer token if no user name is given
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["password_file", "bearer_token_file", "api_key_file"])]
    credential_command: Option<String>,

    /// PEM file of CA certificates to trust
    #[arg(long, value_name = "FILE")]
    ca_certificate: Option<String>,

    /// PEM file of a client certificate and its private key
    #[arg(long, value_name = "FILE")]
    client_certificate: Option<String>,

    /// Ask for confirmation before every write
    #[arg(long)]
    protected: bool,
}

pub(super) fn run(args: ContextArgs) -> Result<(), Failure> {
    let mut all = Contexts::read()?;
    match args.verb {
        ContextVerb::Set(args) => {
            let name = args.name.clone();
            all.contexts.insert(name.clone(), args.context()?);
            let first = all.current.is_none();
            if first {
                all.current = Some(name.clone());
            }
            all.write()?;
            let current = if first { ", the current one" } else { "" };
            print(&format!("context {name} is set{current}"))
        }
        ContextVerb::Use { name } => {
            all.get(&name)?;
            all.current = Some(name.clone());
            all.write()?;
            print(&format!("context {name} is the current one"))
        }
        ContextVerb::List => {
            for (name, context) in &all.contexts {
                let mark = if all.current.as_ref() == Some(name) {
                    "*"
                } else {
                    " "
                };
                let protected = if context.protected { " protected" } else { "" };
                print(&format!(
                    "{mark} {name} {}{protected}",
                    context.url.join(",")
                ))?;
            }
            Ok(())
        }
        ContextVerb::Show { name } => {
            let name = name.or_else(|| all.current.clone());
            let name = name.ok_or_else(|| Failure::usage("there is no current context"))?;
            let text = serde_saphyr::to_string(all.get(&name)?).map_err(Failure::other)?;
            print(&format!("name: {name}\n{}", text.trim_end()))
        }
        ContextVerb::Delete { name } => {
            all.get(&name)?;
            all.contexts.remove(&name);
            all.current = all.current.filter(|current| *current != name);
            all.write()?;
            print(&format!("context {name} is removed"))
        }
    }
}

impl SetArgs {
    fn context(self) -> Result<Context, Failure> {
        if self.url.iter().any(|url| url.password().is_some()) {
            return Err(Failure::usage(
                "the URL holds a password; give --username and --password-file instead",
            ));
        }
        Ok(Context {
            url: self.url.iter().map(ToString::to_string).collect(),
            directives_index: self.directives_index,
            username: self.username,
            password_file: self.password_file,
            bearer_token_file: self.bearer_token_file,
            api_key_file: self.api_key_file,
            credential_command: self.credential_command,
            ca_certificate: self.ca_certificate,
            client_certificate: self.client_certificate,
            protected: self.protected,
        })
    }
}
