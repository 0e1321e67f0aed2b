//! Prints the path of a `protoc` executable for this machine. The crate `protoc-bin-vendored`
//! contains the executable, so that a user who builds osproxy need not install `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", protoc_bin_vendored::protoc_bin_path()?.display());
    Ok(())
}
