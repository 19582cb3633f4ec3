//! Where the one who builds the model and the pages that follow it meet.
//! Holds no queue per page: a page that is slow takes less often, and nobody waits for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use super::frames::Frames;
use super::metrics::{self, FRAMES, SKIPPED};
use super::places::{NoPlace, Place, Places, Reader};
use super::settings::LiveSettings;

/// A page that has heard nothing for so long gets a sign of life.
pub const BEAT: Duration = Duration::from_secs(10);
const BEAT_FRAME: &[u8] = b": beat\n\n";

/// Clones share everything.
#[derive(Clone)]
pub struct Live(Arc<Inner>);

struct Inner {
    settings: LiveSettings,
    frames: Mutex<Frames>,
    places: Places,
    /// Number of the newest frame.
    news: watch::Sender<u64>,
    /// A page was opened.
    opened: Notify,
    closed: AtomicBool,
}

/// One open page; dropping it closes it.
pub struct Page {
    live: Live,
    /// Frees its place with it.
    _place: Place,
    news: watch::Receiver<u64>,
    /// The last frame that it was handed.
    seen: Option<u64>,
    /// When it was handed anything.
    handed: Instant,
}

/// What a page is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Send this.
    Send(Bytes),
    /// Nothing yet: look whether this page may stay, and come again.
    Look,
    /// The process stops.
    End,
}

impl Live {
    /// Nobody looks yet.
    pub fn new(settings: LiveSettings) -> Self {
        metrics::show();
        let places = Places::new(&settings);
        Self(Arc::new(Inner {
            settings,
            frames: Mutex::new(Frames::new(format!("{:016x}", fastrand::u64(..)))),
            places,
            news: watch::Sender::new(0),
            opened: Notify::new(),
            closed: AtomicBool::new(false),
        }))
    }

    /// Opens a page of this reader, who has seen everything up to this event.
    ///
    /// # Errors
    /// When there is no place for it.
    pub fn open(&self, reader: Reader, last_event: Option<&str>) -> Result<Page, NoPlace> {
        let _place = self.0.places.take(reader)?;
        let seen = last_event.and_then(|id| self.frames().number_of(id));
        let page = Page { live: self.clone(), _place, news: self.0.news.subscribe(), seen, handed: Instant::now() };
        self.0.opened.notify_one();
        Ok(page)
    }

    /// How many pages are open.
    pub fn pages(&self) -> usize {
        self.0.places.count()
    }

    /// Ends all streams, and those to come.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.news.send_modify(|_| {});
    }

    /// As they are set.
    pub fn settings(&self) -> &LiveSettings {
        &self.0.settings
    }

    /// Waits until somebody looks.
    pub(super) async fn wanted(&self) {
        while self.pages() == 0 {
            self.0.opened.notified().await;
        }
    }

    /// Tells everybody.
    pub fn tell(&self, model: Value) {
        let number = self.frames().push(model, Instant::now());
        self.0.news.send_replace(number);
    }

    fn frames(&self) -> MutexGuard<'_, Frames> {
        self.0.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Page {
    /// Waits for what this page has not seen, at most for this long.
    pub async fn turn(&mut self, within: Duration) -> Turn {
        loop {
            self.news.borrow_and_update();
            if self.live.0.closed.load(Ordering::Acquire) {
                return Turn::End;
            }
            if let Some(bytes) = self.take() {
                return Turn::Send(bytes);
            }
            if timeout(within, self.news.changed()).await.is_err() {
                return self.pause();
            }
        }
    }

    fn take(&mut self) -> Option<Bytes> {
        let now = Instant::now();
        let portion = self.live.frames().after(self.seen, now)?;
        (self.seen, self.handed) = (Some(portion.number), now);
        if portion.changes == 0 {
            FRAMES.with_label_values(&["snapshot"]).inc();
        }
        FRAMES.with_label_values(&["change"]).inc_by(portion.changes);
        SKIPPED.inc_by(portion.skipped);
        Some(portion.bytes)
    }

    fn pause(&mut self) -> Turn {
        if self.handed.elapsed() < BEAT {
            return Turn::Look;
        }
        self.handed = Instant::now();
        FRAMES.with_label_values(&["beat"]).inc();
        Turn::Send(Bytes::from_static(BEAT_FRAME))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::places::tests::reader_for_test;
    use super::*;

    const SHORT: Duration = Duration::from_secs(1);

    fn live_for_test(max_pages: usize) -> Live {
        Live::new(LiveSettings { max_pages, ..LiveSettings::default() })
    }

    fn open(live: &Live) -> Page {
        live.open(reader_for_test("reader"), None).unwrap()
    }

    fn sent(turn: Turn) -> String {
        let Turn::Send(bytes) = turn else { panic!("nothing was sent: {turn:?}") };
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn one_page_more_than_the_bound_is_refused_and_a_closed_one_frees_its_place() {
        let live = live_for_test(2);
        let first = open(&live);
        let _second = open(&live);
        assert_eq!((live.open(reader_for_test("x"), None).err(), live.pages()), (Some(NoPlace::Full), 2));
        drop(first);
        assert!(live.open(reader_for_test("x"), None).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_page_costs_the_others_nothing_and_gets_the_whole_model_when_it_looks_again() {
        let live = live_for_test(10);
        let (mut slow, mut quick) = (open(&live), open(&live));
        for number in 0..500 {
            live.tell(json!({ "at": number }));
            assert!(sent(quick.turn(SHORT).await).contains(&format!("{{\"at\":{number}}}")));
        }
        let late = sent(slow.turn(SHORT).await);
        assert!(late.contains("event: snapshot") && late.contains("{\"at\":499}"), "{late}");
        assert_eq!(slow.turn(SHORT).await, Turn::Look);
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_lost_its_connection_gets_what_it_missed() {
        let live = live_for_test(10);
        let mut page = open(&live);
        live.tell(json!({"at": 1, "text": "so long that changes are shorter than this model, even several of them"}));
        let first = sent(page.turn(SHORT).await);
        let id = first.lines().next().unwrap().strip_prefix("id: ").unwrap().to_owned();
        drop(page);
        live.tell(json!({"at": 2, "text": "so long that changes are shorter than this model, even several of them"}));
        let missed = sent(live.open(reader_for_test("reader"), Some(&id)).unwrap().turn(SHORT).await);
        assert!(missed.contains("event: change\ndata: {\"at\":2}"), "{missed}");
        let another = sent(live.open(reader_for_test("reader"), Some("0000000000000000-1")).unwrap().turn(SHORT).await);
        assert!(another.contains("event: snapshot"), "{another}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_hears_a_sign_of_life_while_there_is_nothing_to_tell() {
        let live = live_for_test(10);
        let (mut page, begun) = (open(&live), Instant::now());
        loop {
            match page.turn(SHORT).await {
                Turn::Look => assert!(begun.elapsed() <= BEAT + SHORT, "no sign of life"),
                turn => break assert_eq!(sent(turn), ": beat\n\n"),
            }
        }
        assert_eq!(page.turn(SHORT).await, Turn::Look);
    }

    #[tokio::test(start_paused = true)]
    async fn all_streams_end_when_the_process_stops_and_none_begins() {
        let live = live_for_test(10);
        let mut waiting = open(&live);
        let (turn, ()) = tokio::join!(waiting.turn(BEAT), async { live.close() });
        assert_eq!(turn, Turn::End);
        live.tell(json!({}));
        assert_eq!(open(&live).turn(BEAT).await, Turn::End);
    }
}
