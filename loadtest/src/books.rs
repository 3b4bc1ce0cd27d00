//! Who has heard which event: what makes an event finished, and a loss or a swap noticed.
//!
//! Readers are told of by how many events each has heard; every reader hears the same ones in the same
//! order, so that number names the next. Only events in flight are on the books. No sockets, no clocks.

use crate::frames::{Counted, sequence};

/// An event in flight.
#[derive(Clone, Copy, Debug, Default)]
struct InFlight {
    /// Readers that have not heard it.
    waiting: usize,
    /// Bytes of its frame, once a reader has heard it.
    frame_bytes: usize,
}

/// All events in flight.
#[derive(Debug)]
pub(crate) struct Books {
    readers: usize,
    in_flight: Vec<InFlight>,
    started: u64,
    finished: u64,
    frame_bytes: usize,
    /// Whether frames carry a sequence number, which is compared where frames are kept.
    has_sequence: bool,
    /// The frame that was kept last.
    sample: Vec<u8>,
}

impl Books {
    /// Nothing is in flight, and never more than `window` events will be.
    pub(crate) fn new(readers: usize, window: usize, has_sequence: bool) -> Self {
        Self {
            readers,
            in_flight: vec![InFlight::default(); window.max(1)],
            started: 0,
            finished: 0,
            frame_bytes: 0,
            has_sequence,
            sample: Vec::new(),
        }
    }

    /// Most events in flight.
    pub(crate) fn window(&self) -> u64 {
        self.in_flight.len() as u64
    }

    /// Events that every reader has heard.
    pub(crate) fn finished(&self) -> u64 {
        self.finished
    }

    /// Events that were started; the sequence number of the next.
    pub(crate) fn started(&self) -> u64 {
        self.started
    }

    /// Bytes of the frame of the event that was finished last.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.frame_bytes
    }

    /// A whole frame that was kept.
    pub(crate) fn sample(&self) -> &[u8] {
        &self.sample
    }

    /// One more event is on its way to every reader.
    pub(crate) fn start(&mut self) {
        let place = self.place(self.started);
        debug_assert_eq!(self.in_flight[place].waiting, 0, "the window is exceeded");
        self.in_flight[place] = InFlight {
            waiting: self.readers,
            frame_bytes: 0,
        };
        self.started += 1;
    }

    /// A reader that had heard `heard` events hears one more. Says what is wrong with it: all readers
    /// must get frames of the same length for the same event, so a swap is seen wherever lengths differ,
    /// and wherever frames are kept.
    pub(crate) fn enter(&mut self, heard: u64, counted: Counted<'_>) -> Result<(), String> {
        if heard >= self.started {
            return Err(format!("heard more than the {heard} events there were"));
        }
        if let Some(frame) = counted.kept {
            let found = sequence(frame);
            if self.has_sequence && found != Some(heard) {
                return Err(format!("expected event {heard}, heard {found:?}"));
            }
            self.sample.clear();
            self.sample.extend_from_slice(frame);
        }
        let place = self.place(heard);
        let event = &mut self.in_flight[place];
        if event.frame_bytes == 0 {
            event.frame_bytes = counted.bytes;
        }
        if event.frame_bytes != counted.bytes {
            let (expected, found) = (event.frame_bytes, counted.bytes);
            return Err(format!(
                "event {heard} came in {found} bytes, to another reader in {expected}"
            ));
        }
        event.waiting -= 1;
        if event.waiting == 0 {
            self.finished = heard + 1;
            self.frame_bytes = event.frame_bytes;
        }
        Ok(())
    }

    fn place(&self, event: u64) -> usize {
        let place = event % self.in_flight.len() as u64;
        // Less than a length.
        usize::try_from(place).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::sequence_field;

    fn counted(bytes: usize) -> Counted<'static> {
        Counted { bytes, kept: None }
    }

    #[test]
    fn an_event_is_finished_when_the_last_has_heard_it() {
        let mut books = Books::new(3, 2, true);
        books.start();
        books.start();
        assert_eq!((books.started(), books.finished()), (2, 0));
        for (heard, bytes) in [(0, 100), (1, 101), (0, 100), (1, 101)] {
            books.enter(heard, counted(bytes)).expect("in order");
            assert_eq!(books.finished(), 0);
        }
        books.enter(0, counted(100)).expect("in order");
        assert_eq!((books.finished(), books.frame_bytes()), (1, 100));
        books.start();
        books.enter(1, counted(101)).expect("in order");
        assert_eq!((books.finished(), books.frame_bytes()), (2, 101));
    }

    #[test]
    fn what_is_wrong_is_noticed() {
        let mut books = Books::new(2, 4, true);
        assert!(books.enter(0, counted(9)).is_err(), "nothing was published");
        books.start();
        books.enter(0, counted(9)).expect("first");
        assert!(books.enter(0, counted(8)).is_err(), "another length");
        assert!(books.enter(1, counted(9)).is_err(), "one too many");
        let frame = format!("{{{}}}", sequence_field(0));
        let kept = Some(frame.as_bytes());
        books
            .enter(0, Counted { bytes: 9, kept })
            .expect("the second reader");
        assert_eq!(books.sample(), frame.as_bytes());
        books.start();
        assert!(
            books.enter(1, Counted { bytes: 9, kept }).is_err(),
            "the first again"
        );
    }
}
