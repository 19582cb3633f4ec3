//! One socket: reads frames to the desk, writes what waits for the client, keeps the deadlines.
//! Understands no request; and reads nothing while more waits for the client than it may.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tillstream_smf::Frame;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::hub::Hub;
use crate::locks::lock;
use crate::metrics;
use crate::outgoing::written;
use crate::parting::Parting;
use crate::peers::Peer;
use crate::pulse::{Due, Pulse};

/// Room for reading at a time. Messages share it until they are stored, so it is used up before there is another.
const READ: usize = 64 << 10;
/// Less room than this is not worth a read.
const LEAST: usize = 4 << 10;
/// Reads in a row before others get their turn.
const READS: usize = 2;
/// How long a client may take to read why it was refused.
const LINGER: Duration = Duration::from_millis(500);

/// One connection at work. Dropped at any moment, it gives everything back.
pub(crate) struct Connection {
    hub: Arc<Hub>,
    peer: Arc<Peer>,
    /// Read and not yet cut into frames: at most one frame and what came with it.
    input: BytesMut,
    pulse: Pulse,
    alarm: Pin<Box<Sleep>>,
    bytes_in: prometheus::IntCounter,
    bytes_out: prometheus::IntCounter,
}

// === impl Connection ===

impl Connection {
    pub(crate) fn new(hub: Arc<Hub>, peer: Arc<Peer>) -> Self {
        let now = Instant::now();
        let pulse = Pulse::new(now, hub.settings.login_within);
        let alarm = Box::pin(sleep_until(pulse.next_look()));
        let bytes = |direction| metrics::BYTES.with_label_values(&[direction]);
        Self { hub, peer, input: BytesMut::new(), pulse, alarm, bytes_in: bytes("in"), bytes_out: bytes("out") }
    }

    /// Serves the client until the connection ends.
    pub(crate) async fn run(mut self) -> Parting {
        let parting = std::future::poll_fn(|context| self.poll(context)).await;
        lock(&self.peer.desk).close();
        if parting == Parting::LoginRefused {
            let _ = tokio::time::timeout(LINGER, self.say_goodbye()).await;
        }
        parting
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Parting> {
        match self.work(context) {
            Ok(()) => Poll::Pending,
            Err(parting) => Poll::Ready(parting),
        }
    }

    /// Does what can be done now, and sees to it that somebody wakes this task for the rest.
    fn work(&mut self, context: &mut Context<'_>) -> Result<(), Parting> {
        self.peer.outgoing.writer.register(context.waker());
        loop {
            if self.peer.is_revoked() {
                return Err(Parting::Revoked);
            }
            let more = self.read(context)?;
            self.advance(context)?;
            let stopped = self.peer.outgoing.is_full();
            let wrote = self.write(context)?;
            if more {
                context.waker().wake_by_ref(); // Others first.
            }
            // What stopped for want of room goes on when there is some; everything else waits for a waker.
            if !(stopped && wrote) {
                break;
            }
        }
        self.keep_deadlines(context)
    }

    fn advance(&mut self, context: &mut Context<'_>) -> Result<(), Parting> {
        let mut desk = lock(&self.peer.desk);
        let advanced = desk.advance(context, Instant::now());
        if let Some(every) = desk.keep_alive().filter(|_| !self.pulse.is_welcomed()) {
            self.pulse.welcomed(every, Instant::now());
        }
        advanced
    }

    /// Reads and serves what is there. True when it stopped before everything was read.
    fn read(&mut self, context: &mut Context<'_>) -> Result<bool, Parting> {
        for _ in 0..READS {
            if self.peer.outgoing.is_full() {
                self.pulse.heard(Instant::now());
                return Ok(false);
            }
            if self.input.capacity() - self.input.len() < LEAST {
                self.input.reserve(READ);
            }
            let Poll::Ready(count) = self.poll_read(context) else { return Ok(false) };
            match count.map_err(|_| Parting::Gone)? {
                0 => return Err(Parting::Gone),
                count => self.bytes_in.inc_by(count as u64),
            }
            self.pulse.heard(Instant::now());
            self.serve()?;
        }
        Ok(true)
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stream = &self.peer.stream;
        loop {
            ready!(stream.poll_read_ready(context))?;
            match stream.try_read_buf(&mut self.input) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    /// Puts every whole frame to the desk.
    fn serve(&mut self) -> Result<(), Parting> {
        let now = Instant::now();
        let mut desk = lock(&self.peer.desk);
        while let Some(frame) = Frame::take_from(&mut self.input, &desk.limits())? {
            desk.receive(&frame, now)?;
        }
        Ok(())
    }

    /// Writes what waits. True when everything went out after there was something.
    fn write(&mut self, context: &mut Context<'_>) -> Result<bool, Parting> {
        let (peer, now) = (Arc::clone(&self.peer), Instant::now());
        let mut wrote = false;
        let mut out = peer.outgoing.bytes();
        while !out.is_empty() {
            let Poll::Ready(ready) = peer.stream.poll_write_ready(context) else { return Ok(false) };
            ready.map_err(|_| Parting::Gone)?;
            match peer.stream.try_write(&out) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(Parting::Gone),
                Ok(count) => {
                    written(&mut out, count);
                    self.bytes_out.inc_by(count as u64);
                    self.pulse.said(now);
                    wrote = true;
                }
            }
        }
        self.pulse.idle(now);
        Ok(wrote)
    }

    fn keep_deadlines(&mut self, context: &mut Context<'_>) -> Result<(), Parting> {
        loop {
            let now = Instant::now();
            if self.pulse.look(now)? == Due::SignOfLife {
                self.give_sign_of_life(context, now)?;
            }
            let wakes_at = lock(&self.peer.desk).wakes_at();
            let next = wakes_at.map_or(self.pulse.next_look(), |at| at.min(self.pulse.next_look()));
            if next != self.alarm.deadline() {
                self.alarm.as_mut().reset(next);
            }
            if self.alarm.as_mut().poll(context).is_pending() {
                return Ok(());
            }
            self.advance(context)?;
            self.write(context)?;
        }
    }

    /// A client that does not read needs none on top.
    fn give_sign_of_life(&mut self, context: &mut Context<'_>, now: Instant) -> Result<(), Parting> {
        self.pulse.greeted(now);
        if self.peer.outgoing.len() == 0 {
            lock(&self.peer.desk).greet();
            self.write(context)?;
        }
        Ok(())
    }

    /// Lets the client read a refusal: writes it, then waits for the client to close.
    async fn say_goodbye(&mut self) {
        let _ = std::future::poll_fn(|context| match self.write(context) {
            Ok(_) if self.peer.outgoing.len() > 0 => Poll::Pending,
            done => Poll::Ready(done),
        })
        .await;
        let mut rest = [0; 1024];
        while self.peer.stream.readable().await.is_ok() {
            match self.peer.stream.try_read(&mut rest) {
                Ok(0) => return,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        lock(&self.peer.desk).close();
        self.hub.memory.peers().leave(self.peer.number);
    }
}
