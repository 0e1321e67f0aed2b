//! `directives get`: reads the directives with the given ids and prints every field of them.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use opensearch_directives::admin::{DirectivesApi, Stored};

use super::connection::{ConnectionArgs, TimeoutArgs};
use super::exit::{Exit, Failure};
use super::output::{Format, OutputArgs, escaped_yaml, note, print, print_json};
use super::output_formats::{details, print_all, to_json};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  directives get slow-acme
  directives get slow-acme slow-umbrella -o yaml")]
pub(super) struct GetArgs {
    /// The ids of the directives
    #[arg(required = true, value_parser = NonEmptyStringValueParser::new())]
    id: Vec<String>,

    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,
}

pub(super) async fn run(args: GetArgs) -> Result<Exit, Failure> {
    let api = DirectivesApi::new(args.connection.client(args.timeout).await?);
    let ids: Vec<&str> = args.id.iter().map(String::as_str).collect();
    let read = api.get_many(&ids).await?;
    let now = api.now().await?;
    let mut exit = Exit::Success;
    for (id, stored) in args.id.iter().zip(&read) {
        if stored.is_none() {
            note(&format!("error: there is no directive {id}"));
            exit = Exit::NotFound;
        }
    }
    let found: Vec<Stored> = read.into_iter().flatten().collect();
    match (args.output.output, &found[..], args.id.len()) {
        (_, [], _) => {}
        (Format::Json, [one], 1) => print_json(&to_json(one, now))?,
        (Format::Yaml, [one], 1) => print(escaped_yaml(&to_json(one, now))?.trim_end())?,
        (Format::Table | Format::Wide, all, _) => {
            let texts: Vec<String> = all.iter().map(|stored| details(stored, now)).collect();
            print(&texts.join("\n\n"))?;
        }
        (format, all, _) => print_all(all, format, now)?,
    }
    Ok(exit)
}
