//! `connect`: standard input to a socket, and the socket to standard output, like `nc -U`.

use std::io::{self, Read, Write};
use std::sync::mpsc;
use std::thread;

use unix_transport::blocking::{self, WriteHalf};

use crate::arguments::{self, ConnectOptions};
use crate::failure::{Failure, Result};

/// How much is copied at once, in bytes.
const BUFFER: usize = 64 * 1024;

/// Connects, and copies until the socket ends.
///
/// # Errors
/// Those of connecting, reading and writing.
pub fn run(options: &ConnectOptions) -> Result<()> {
    let address = arguments::address("connect to", &options.path)?;
    let connection = blocking::connect(&address, &unix_transport::ConnectOptions::new())?;
    let (mut reader, writer) = connection.split();
    let (failed, failure) = mpsc::channel();
    let sending = format!("write to {address}");
    let sender = thread::Builder::new().spawn(move || {
        if let Err(failure) = send_input(writer, &sending) {
            // Nobody receives it if the other direction ended first.
            _ = failed.send(failure);
        }
    });
    sender.map_err(|error| Failure::new("start a thread", error))?;
    receive_output(&mut reader, &format!("read from {address}"))?;
    // The input may still be open: the process ends without waiting for it.
    failure.try_recv().map_or(Ok(()), Err)
}

/// Input to the socket, then the end of the stream.
fn send_input(mut socket: WriteHalf, operation: &str) -> Result<()> {
    let mut input = io::stdin().lock();
    let mut buffer = vec![0; BUFFER];
    loop {
        let received = read(&mut input, &mut buffer)
            .map_err(|error| Failure::new("read standard input", error))?;
        if received == 0 {
            // Dropping the half closes its direction.
            return Ok(());
        }
        socket.write_all(&buffer[..received]).map_err(|error| Failure::new(operation, error))?;
    }
}

/// The socket to output, until the end of the stream.
fn receive_output(socket: &mut impl Read, operation: &str) -> Result<()> {
    let mut output = io::stdout().lock();
    let mut buffer = vec![0; BUFFER];
    loop {
        let received = read(socket, &mut buffer).map_err(|error| Failure::new(operation, error))?;
        if received == 0 {
            return Ok(());
        }
        let written = output.write_all(&buffer[..received]).and_then(|()| output.flush());
        written.map_err(|error| Failure::of_output(&error))?;
    }
}

fn read(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}
