//! Standard output, whose reader may leave before the end, as `head` does.

use std::io::{self, ErrorKind, StdoutLock, Write};

/// Standard output of this process. When its reader has left, what fails is told apart from every
/// other broken pipe by [`reader_left`].
pub(crate) fn stdout() -> Stdout {
    Stdout(io::stdout().lock())
}

/// See [`stdout`].
pub(crate) struct Stdout(StdoutLock<'static>);

#[derive(Debug, thiserror::Error)]
#[error("whoever read the output has closed it")]
struct ReaderLeft;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(mark)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(mark)
    }
}

fn mark(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::BrokenPipe => io::Error::new(ErrorKind::BrokenPipe, ReaderLeft),
        _ => error,
    }
}

/// Whether a command failed only because nobody reads what it would print.
pub(super) fn reader_left(cause: &anyhow::Error) -> bool {
    cause.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .is_some_and(|inner| inner.is::<ReaderLeft>())
    })
}
