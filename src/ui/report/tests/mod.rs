//! Journals told as stories, in each form.

mod forms;
mod hostile;
mod stories;
mod well_formed;
