//! Reads small files with a limit on their size: if a path wrongly names a device or a disk image,
//! reading it costs neither much memory nor much time.

use std::io::{Error, Read as _, Result};
use std::path::Path;

/// The maximum size in bytes of a file with tokens, certificates or contexts.
const MAX_BYTES: u64 = 4 << 20;

/// Reads a whole file, or returns an error if the file is larger than 4 MiB. The function blocks
/// the calling thread.
pub(super) fn read(file: &Path) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let open = std::fs::File::open(file)?;
    open.take(MAX_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_BYTES {
        let problem = format!("the file is larger than {} MiB", MAX_BYTES >> 20);
        return Err(Error::other(problem));
    }
    Ok(content)
}

/// Reads a whole file of UTF-8 text, or returns an error if the file is larger than 4 MiB. The
/// function blocks the calling thread.
pub(super) fn read_text(file: &Path) -> Result<String> {
    String::from_utf8(read(file)?).map_err(|_| Error::other("the file is not UTF-8 text"))
}

/// Runs [`read`] or [`read_text`] on a thread for blocking work, so that the async runtime is not
/// blocked.
pub(super) async fn without_blocking<T: Send + 'static>(
    read: fn(&Path) -> Result<T>,
    file: &Path,
) -> Result<T> {
    let file = file.to_owned();
    let read = tokio::task::spawn_blocking(move || read(&file));
    read.await.map_err(Error::other)?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_file_of_tokens_certificates_or_contexts_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let largest = vec![b'x'; 4 << 20];
        std::fs::write(&file, &largest).unwrap();
        assert_eq!(read_text(&file).unwrap().len(), largest.len());
        std::fs::write(&file, [&largest[..], b"x"].concat()).unwrap();
        let error = read(&file).unwrap_err().to_string();
        assert_eq!(error, "the file is larger than 4 MiB");
        #[cfg(unix)]
        read(Path::new("/dev/zero")).unwrap_err();
        std::fs::write(&file, [0xff]).unwrap();
        read_text(&file).unwrap_err();
        let missing = read(&folder.path().join("missing")).unwrap_err();
        assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
    }
}
