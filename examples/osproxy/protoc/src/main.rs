//! Prints the path of a `protoc` executable for this machine. The crate `protoc-bin-vendored`
//! contains the executable, so `protoc` need not be installed on this machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", protoc_bin_vendored::protoc_bin_path()?.display());
    Ok(())
}
