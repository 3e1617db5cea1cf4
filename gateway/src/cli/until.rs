//! How long a process that serves goes on.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;

use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};

/// What ends a process besides SIGINT and SIGTERM.
#[derive(Debug, clap::Args)]
pub(super) struct Until {
    /// Stop as well when the pipe that is the standard input is closed: whoever started this has
    /// gone, however it ended
    #[arg(long, hide = true)]
    until_input_ends: bool,
}

impl Until {
    /// Resolves when the process is to stop.
    pub(super) async fn over(&self) -> io::Result<()> {
        if !self.until_input_ends {
            return interrupted().await;
        }
        tokio::select! {
            interrupt = interrupted() => interrupt,
            ended = input_ended() => ended,
        }
    }
}

/// Resolves when the process is told to stop.
pub(super) async fn interrupted() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt,
        _ = terminate.recv() => Ok(()),
    }
}

/// Resolves at the end of the standard input. It is read as what it is, since tokio's own reader of it
/// would keep a runtime from stopping until it ends.
async fn input_ended() -> io::Result<()> {
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let input = pipe::Receiver::from_file(input)?;
    loop {
        input.readable().await?;
        match input.try_read(&mut [0; 64]) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
    }
}
