//! Which backend serves which model.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::shell::backend::{Backend, Echo, Http, HttpLimits};
use crate::shell::config::{BackendConfig, Config, ConfigError};

/// The backends of a gateway, by model.
#[derive(Default)]
pub struct Registry {
    by_model: BTreeMap<String, Registered>,
}

/// A backend under its name.
#[derive(Clone)]
pub(crate) struct Registered {
    pub(crate) name: String,
    pub(crate) backend: Arc<dyn Backend>,
}

impl Registry {
    /// A registry without backends.
    pub fn new() -> Self {
        Self::default()
    }

    /// The backends that `config` names.
    ///
    /// # Errors
    /// A backend that cannot be made, such as one whose key is missing.
    pub fn from_config(config: &Config) -> Result<Self, ConfigError> {
        let limits = HttpLimits { connect: config.timings.connect, buffer_bytes: config.limits.buffer_bytes };
        config.backends.iter().try_fold(Self::new(), |registry, backend| {
            let made: Arc<dyn Backend> = match backend {
                BackendConfig::Echo(echo) => Arc::new(Echo::new(echo)),
                BackendConfig::Http(http) => Arc::new(Http::new(http, limits)?),
            };
            Ok(registry.with_shared(backend.name(), backend.models(), made))
        })
    }

    /// Adds a backend of the caller's own. It takes over any of `models` that another one served.
    #[must_use]
    pub fn with(self, name: &str, models: &[String], backend: impl Backend) -> Self {
        self.with_shared(name, models, Arc::new(backend))
    }

    fn with_shared(mut self, name: &str, models: &[String], backend: Arc<dyn Backend>) -> Self {
        for model in models {
            let registered = Registered { name: name.to_owned(), backend: Arc::clone(&backend) };
            self.by_model.insert(model.clone(), registered);
        }
        self
    }

    /// One model as the API has it.
    pub(crate) fn describe(&self, model: &str) -> Option<Value> {
        self.list()["data"].as_array()?.iter().find(|one| one["id"] == model).cloned()
    }

    pub(crate) fn find(&self, model: &str) -> Option<&Registered> {
        self.by_model.get(model)
    }

    /// The backends by their names, sorted, each once.
    pub(crate) fn backends(&self) -> impl Iterator<Item = (&str, &dyn Backend)> {
        let by_name: BTreeMap<&str, &dyn Backend> =
            self.by_model.values().map(|registered| (registered.name.as_str(), &*registered.backend)).collect();
        by_name.into_iter()
    }

    /// The body of `GET /v1/models`.
    pub(crate) fn list(&self) -> Value {
        let models: Vec<Value> = self
            .by_model
            .iter()
            .map(|(model, of)| json!({ "id": model, "object": "model", "created": 0, "owned_by": of.name }))
            .collect();
        json!({ "object": "list", "data": models })
    }
}
