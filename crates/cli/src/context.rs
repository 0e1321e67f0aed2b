//! `directives context`: stores the address and the credential files of each cluster under a name,
//! and selects the current cluster.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::connection::UrlText;
use super::context_file::{Context, Contexts};
use super::exit::Failure;
use super::output::{ReportFormat, print, print_json};

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

    /// Format of the output
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "text",
        global = true
    )]
    output: ReportFormat,
}

#[derive(Debug, Subcommand)]
enum ContextVerb {
    /// Create a context, or change the given values of a context
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
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    url: Vec<UrlText>,

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

    /// Ask for confirmation before every write; --protected=false ends this
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    protected: Option<bool>,
}

pub(super) fn run(args: ContextArgs) -> Result<(), Failure> {
    let mut all = Contexts::read()?;
    let output = Output(args.output.is_json());
    match args.verb {
        ContextVerb::Set(args) => set(all, *args, &output),
        ContextVerb::Use { name } => {
            all.get(&name)?;
            all.current = Some(name.clone());
            all.write()?;
            output.done(
                &name,
                "current",
                &format!("context {name} is the current one"),
            )
        }
        ContextVerb::List => list(&all, &output),
        ContextVerb::Show { name } => {
            let name = name.or_else(|| all.current.clone());
            let name = name.ok_or_else(|| Failure::usage("there is no current context"))?;
            if output.0 {
                return print_json(&json_of(&name, all.get(&name)?, &all)?);
            }
            let text = serde_saphyr::to_string(all.get(&name)?).map_err(Failure::other)?;
            print(&format!("name: {name}\n{}", text.trim_end()))
        }
        ContextVerb::Delete { name } => {
            all.get(&name)?;
            all.contexts.remove(&name);
            all.current = all.current.filter(|current| *current != name);
            all.write()?;
            output.done(&name, "removed", &format!("context {name} is removed"))
        }
    }
}

fn set(mut all: Contexts, args: SetArgs, output: &Output) -> Result<(), Failure> {
    let name = args.name.clone();
    let before = all.contexts.remove(&name);
    let context = args.context(before.clone().unwrap_or_default())?;
    let done = match &before {
        None => "created",
        Some(before) if *before != context => "changed",
        Some(_) => "unchanged",
    };
    all.contexts.insert(name.clone(), context);
    let first = all.current.is_none();
    if first {
        all.current = Some(name.clone());
    }
    all.write()?;
    let current = if first {
        ", and is the current one"
    } else {
        ""
    };
    output.done(&name, done, &format!("context {name} is {done}{current}"))
}

fn list(all: &Contexts, output: &Output) -> Result<(), Failure> {
    if output.0 {
        let contexts: Result<Vec<Value>, Failure> = all
            .contexts
            .iter()
            .map(|(name, context)| json_of(name, context, all))
            .collect();
        return print_json(&contexts?.into());
    }
    for (name, context) in &all.contexts {
        let mark = if all.current.as_ref() == Some(name) {
            "*"
        } else {
            " "
        };
        let protected = if context.protected { " protected" } else { "" };
        let urls = context.url.join(",");
        print(&format!("{mark} {name} {urls}{protected}"))?;
    }
    Ok(())
}

/// Prints what a `directives context` command changed: as JSON if the field is true, and as text if
/// it is false.
struct Output(bool);

impl Output {
    fn done(&self, name: &str, result: &str, text: &str) -> Result<(), Failure> {
        if self.0 {
            print_json(&json!({ "context": name, "result": result }))
        } else {
            print(text)
        }
    }
}

fn json_of(name: &str, context: &Context, all: &Contexts) -> Result<Value, Failure> {
    let mut value = serde_json::to_value(context).map_err(Failure::other)?;
    value["name"] = name.into();
    value["current"] = (all.current.as_deref() == Some(name)).into();
    value["protected"] = context.protected.into();
    Ok(value)
}

/// Returns the address of a node for the contexts file. Refuses an address that can contain a
/// secret, because the contexts file must not contain secrets.
fn address(url: &UrlText) -> Result<String, Failure> {
    let url = url.parse()?;
    if url.password().is_some() || !url.username().is_empty() {
        return Err(Failure::usage(
            "the URL holds a user name or a password; give --username and --password-file instead",
        ));
    }
    let is_node = matches!(url.scheme(), "http" | "https") && url.has_host();
    if !is_node || url.query().is_some() || url.fragment().is_some() {
        return Err(Failure::usage(
            "--url is not the address of a node; write it as http://HOST:9200 or https://HOST:9200",
        ));
    }
    Ok(url.to_string())
}

impl SetArgs {
    /// Returns a context that contains the values of the given flags. For each flag that is not
    /// given, the new context keeps the value in the context `before`. If at least one flag for
    /// credentials is given, the new context keeps no credentials of `before`.
    fn context(self, before: Context) -> Result<Context, Failure> {
        let mut context = before;
        if !self.url.is_empty() {
            let urls: Result<Vec<String>, Failure> = self.url.iter().map(address).collect();
            context.url = urls?;
        }
        if context.url.is_empty() {
            return Err(Failure::usage("a new context needs --url"));
        }
        let credentials = [
            &self.username,
            &self.password_file,
            &self.bearer_token_file,
            &self.api_key_file,
            &self.credential_command,
        ];
        if credentials.into_iter().any(Option::is_some) {
            context.username = self.username;
            context.password_file = self.password_file;
            context.bearer_token_file = self.bearer_token_file;
            context.api_key_file = self.api_key_file;
            context.credential_command = self.credential_command;
        }
        context.directives_index = self.directives_index.or(context.directives_index);
        context.ca_certificate = self.ca_certificate.or(context.ca_certificate);
        context.client_certificate = self.client_certificate.or(context.client_certificate);
        context.protected = self.protected.unwrap_or(context.protected);
        Ok(context)
    }
}
