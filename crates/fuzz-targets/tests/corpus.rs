//! Runs every fuzz target with the inputs of its stored corpus and with mutations of them, so that
//! `cargo test` detects a parser that breaks one of its guarantees.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use fastrand::Rng;
use fuzz_targets::{TARGETS, Target};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus");
/// The number of mutated inputs with which the test runs each fuzz target except `command_line`.
const MUTATIONS: usize = 3_000;
/// The number of mutated inputs for the fuzz target `command_line`, which takes a millisecond for
/// each input to build the parser of the whole command.
const MUTATED_COMMAND_LINES: usize = 200;
/// The maximum length of a mutated input, in bytes.
const MAX_BYTES: usize = 4_096;

/// Returns the contents of the files in the stored corpus of the fuzz target `name`, in the order
/// of the file names.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = fs::read_dir(Path::new(CORPUS).join(name)).unwrap();
    let mut files: Vec<_> = folder.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn run(name: &str, target: Target, input: &[u8]) {
    assert!(
        catch_unwind(|| target(input)).is_ok(),
        "the target {name} fails on \"{}\"",
        input.escape_ascii()
    );
}

/// Returns a random part of the input that is at most 64 bytes long.
fn part<'a>(input: &'a [u8], random: &mut Rng) -> &'a [u8] {
    let begin = random.usize(..=input.len());
    let end = random.usize(begin..=input.len().min(begin + 64));
    &input[begin..end]
}

/// Changes a random input of the corpus up to four times. Each change flips a bit, replaces a byte,
/// removes a part, inserts a character of JSON, or inserts a part of another input.
fn mutate(corpus: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let mut input = corpus[random.usize(..corpus.len())].clone();
    for _ in 0..random.usize(1..=4) {
        let place = random.usize(..=input.len());
        match random.u8(..5) {
            0 if place < input.len() => input[place] ^= 1 << random.u8(..8),
            1 if place < input.len() => input[place] = random.u8(..),
            2 => {
                let end = random.usize(place..=input.len().min(place + 64));
                input.drain(place..end);
            }
            3 => input.insert(place, b"\"{}[],:\\ \n0-"[random.usize(..12)]),
            _ => {
                let other = &corpus[random.usize(..corpus.len())];
                let part = part(other, random).to_vec();
                input.splice(place..place, part);
            }
        }
    }
    input.truncate(MAX_BYTES);
    input
}

#[test]
fn the_corpus_and_its_mutations_break_no_promise() {
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        assert!(!corpus.is_empty(), "{name} has no corpus");
        for input in &corpus {
            run(name, target, input);
        }
        let mutations = match name {
            "command_line" => MUTATED_COMMAND_LINES,
            _ => MUTATIONS,
        };
        let mut random = Rng::with_seed(19);
        for _ in 0..mutations {
            run(name, target, &mutate(&corpus, &mut random));
        }
    }
}

#[test]
fn each_target_has_a_corpus_and_each_corpus_a_target() {
    let folder = fs::read_dir(CORPUS).unwrap();
    let mut found: Vec<_> = folder
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, TARGETS.map(|(name, _)| name));
}
