//! How a [`Keeper`] changes what is stored.

use super::changes::KeyWish;
use super::keeper::Keeper;
use super::key::{KeyRecord, NewKey};
use super::record::Writing;
use super::refusal::{DirectoryError, Refusal};
use super::register::{Change, Register};
use super::registering::Application;
use super::registrar::Registered;
use super::site::{Site, SiteWish};
use crate::clock;
use crate::event::SiteId;

/// How often a change is worked out anew because others were faster.
const ATTEMPTS: usize = 20;

/// Changes. Each is done when it returns, and nothing is done when it fails, but for [`DirectoryError::Unknown`].
impl Keeper {
    /// Adds a site, under a new id or one that it had before.
    ///
    /// # Errors
    /// When it cannot be, or the directory cannot be read or written.
    pub async fn add_site(&mut self, wish: &SiteWish, id: Option<SiteId>) -> Result<Site, DirectoryError> {
        let (id, limits) = (id.map_or_else(new_id, Ok)?, self.config.clone());
        self.change(|register| register.add_site(id, clock::unix_ms(), wish, &limits))
            .await
    }

    /// Changes a site, given by name or id.
    ///
    /// # Errors
    /// As [`Keeper::add_site`].
    pub async fn change_site(&mut self, name: &str, wish: &SiteWish) -> Result<Site, DirectoryError> {
        let limits = self.config.clone();
        self.change(|register| register.change_site(name, wish, &limits)).await
    }

    /// Removes a site, given by name or id. What was counted and kept for it stays.
    ///
    /// # Errors
    /// As [`Keeper::add_site`].
    pub async fn remove_site(&mut self, name: &str, with_keys: bool) -> Result<Site, DirectoryError> {
        self.change(|register| register.remove_site(name, with_keys)).await
    }

    /// Adds a key, and gives its text, which is nowhere else.
    ///
    /// # Errors
    /// As [`Keeper::add_site`].
    pub async fn add_key(&mut self, wish: &KeyWish) -> Result<(NewKey, KeyRecord), DirectoryError> {
        let (limits, now_ms) = (self.config.clone(), clock::unix_ms());
        let new = NewKey::mint(&limits.key_prefix).map_err(DirectoryError::Random)?;
        let record = self
            .change(|register| register.add_key(&new, now_ms, wish, &limits))
            .await?;
        Ok((new, record))
    }

    /// Revokes a key, given by its id or its text.
    ///
    /// # Errors
    /// As [`Keeper::add_site`].
    pub async fn revoke_key(&mut self, text: &str) -> Result<KeyRecord, DirectoryError> {
        self.change(|register| register.revoke_key(text)).await
    }

    /// Makes a site and a key of what somebody registers over HTTP.
    ///
    /// # Errors
    /// As [`Keeper::add_site`].
    pub async fn register(&mut self, wish: &Application) -> Result<Registered, DirectoryError> {
        let (id, limits, now_ms) = (new_id()?, self.config.clone(), clock::unix_ms());
        let new = NewKey::mint(&limits.key_prefix).map_err(DirectoryError::Random)?;
        let record = self
            .change(|register| register.add_application((id, &new), now_ms, wish, &limits))
            .await?;
        Ok(Registered::new(new, &record))
    }

    /// Revokes the key of an app, given by its text.
    ///
    /// # Errors
    /// As [`Keeper::add_site`].
    pub async fn revoke_app_key(&mut self, text: &str) -> Result<(), DirectoryError> {
        let now_ms = clock::unix_ms();
        self.change(|register| register.revoke_app_key(text, now_ms)).await
    }

    /// Puts a new key in the place of an app's, given by its text. It lasts as long as the old one was to last.
    ///
    /// # Errors
    /// As [`Keeper::add_site`].
    pub async fn replace_app_key(&mut self, text: &str) -> Result<Registered, DirectoryError> {
        let now_ms = clock::unix_ms();
        let new = NewKey::mint(&self.config.key_prefix).map_err(DirectoryError::Random)?;
        let record = self
            .change(|register| register.replace_app_key(text, &new, now_ms))
            .await?;
        Ok(Registered::new(new, &record))
    }

    /// Has a change written; when others were faster, it is worked out again on what they have made.
    async fn change<T>(
        &mut self,
        work_out: impl Fn(&Register) -> Result<(Change, T), Refusal>,
    ) -> Result<T, DirectoryError> {
        for _ in 0..ATTEMPTS {
            self.refresh().await?;
            let held = self.directory.register();
            let (change, result) = work_out(&held)?;
            let next = held.edition.next().map_err(DirectoryError::Random)?;
            if self.place.write(&Writing::change(held.edition, next, &change)).await? {
                self.adopt(held.after(&change, next));
                return Ok(result);
            }
        }
        Err(DirectoryError::Crowded)
    }
}

/// A random id, in the form of a UUID of version 4.
fn new_id() -> Result<SiteId, DirectoryError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(DirectoryError::Random)?;
    let [.., version, _, variant, _, _, _, _, _, _, _] = &mut bytes;
    *version = 0x40 | *version & 0x0f;
    *variant = 0x80 | *variant & 0x3f;
    Ok(SiteId(bytes))
}
