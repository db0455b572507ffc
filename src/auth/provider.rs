//! Tokens that are asked for when they are needed. Whom to ask, and how, is the caller's; when to
//! ask again is decided where AUTH is said.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;

use super::{AuthFault, TokenRefusal};
use crate::wire::Secret;

type Asked = Pin<Box<dyn Future<Output = Result<Secret, String>> + Send>>;

#[derive(Clone)]
pub(crate) struct Provider(Arc<dyn Fn(Option<TokenRefusal>) -> Asked + Send + Sync>);

impl Provider {
    pub(super) fn new<F, T, E>(provide: F) -> Self
    where
        F: Fn(Option<TokenRefusal>) -> T + Send + Sync + 'static,
        T: Future<Output = Result<Secret, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        Self(Arc::new(move |refusal| {
            let asked = provide(refusal);
            Box::pin(async move { asked.await.map_err(|fault| fault.into().to_string()) })
        }))
    }

    pub(crate) async fn ask(&self, refusal: Option<TokenRefusal>) -> Result<Secret, AuthFault> {
        (self.0)(refusal).await.map_err(AuthFault::NoToken)
    }
}

/// The same provider, or a clone of it.
impl PartialEq for Provider {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Provider {}
