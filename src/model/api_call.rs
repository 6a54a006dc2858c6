//! A call to AWS as it is told to somebody who watches: names, numbers and ids, never what was sent or answered.

use std::sync::Arc;
use std::time::Duration;

/// One attempt that ended, or the wait before the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiCall {
    /// A request was answered, or is known not to be.
    Ended {
        /// The service, as its SDK calls it: `ECS`.
        service: String,
        /// The operation: `UpdateService`.
        operation: String,
        /// Whether a request was handed to the connection: without credentials, or where only reading is allowed, none is.
        sent: bool,
        /// The HTTP status; `None` where no answer came.
        status: Option<u16>,
        /// AWS's error code, where the answer has one.
        code: Option<String>,
        /// AWS's request id, where the answer has one.
        request_id: Option<String>,
        /// How long it took.
        took: Duration,
    },
    /// It is tried again after a while.
    Again {
        /// The operation.
        operation: String,
        /// Which try the next one is: 2 for the second.
        next: u32,
        /// How many there are at most.
        most: u32,
        /// The while.
        after: Duration,
    },
}

/// Who is told of each.
pub type ApiWatch = Arc<dyn Fn(&ApiCall) + Send + Sync>;
