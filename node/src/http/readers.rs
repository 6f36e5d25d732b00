//! Readers of the views, a few of them, each used by one request at a time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::error::ApiError;
use crate::views::{QueryError, Reader};

/// Queries at a time: more would only wait for the same disk.
const READERS: usize = 4;
/// Of followers at a time, beside those, so that they keep nobody waiting who asks for a list.
const FOLLOWING: usize = 2;

/// Analyses at a time, beside those: seconds each.
const ANALYSING: usize = 2;

#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Reader>>,
    places: Arc<Semaphore>,
    following: Arc<Semaphore>,
    analysing: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        let semaphore = |places| Arc::new(Semaphore::new(places));
        Self {
            path,
            idle: Mutex::default(),
            places: semaphore(READERS),
            following: semaphore(FOLLOWING),
            analysing: semaphore(ANALYSING),
        }
    }

    /// Runs a query on a thread where it may block.
    ///
    /// # Errors
    /// [`QueryError`] as an answer.
    pub(super) async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Reader) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.query_among(&self.places, query).await
    }

    /// Runs a query of somebody who follows changes.
    ///
    /// # Errors
    /// [`QueryError`] as an answer.
    pub(super) async fn follow<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Reader) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.query_among(&self.following, query).await
    }

    /// Runs a query that looks through much.
    ///
    /// # Errors
    /// [`QueryError`] as an answer.
    pub(super) async fn analyse<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Reader) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.query_among(&self.analysing, query).await
    }

    async fn query_among<T: Send + 'static>(
        &self,
        places: &Arc<Semaphore>,
        query: impl FnOnce(&Reader) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = Arc::clone(places).acquire_owned().await.map_err(|_| ApiError::busy())?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let path = self.path.clone();
        let work = move || -> Result<(Reader, Result<T, QueryError>), QueryError> {
            // After a rebuild the file is another one.
            let reader = match idle.filter(Reader::is_current) {
                Some(reader) => reader,
                None => Reader::open(&path)?,
            };
            let answer = query(&reader);
            // It is held as long as the work takes, also where nobody waits for the answer any more.
            drop(place);
            Ok((reader, answer))
        };
        let (reader, answer) = tokio::task::spawn_blocking(work).await.map_err(|_| ApiError::busy())??;
        if answer.is_ok() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        }
        Ok(answer?)
    }
}
