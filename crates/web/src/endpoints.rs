//! Declares routes together with the role that each requires, so that no route can be added without a role.

use std::collections::HashMap;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{delete, get, post, put};

/// What a route requires of a request from the LAN, in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RequiredRole {
    /// Nothing: what a phone needs for pairing.
    None,
    /// A paired phone, or a client that may read metrics without pairing (`web.metrics`).
    MetricsReader,
    /// On loopback nothing, in the LAN a paired phone: the mood of the class, and what shows it.
    Reader,
    /// A paired phone; on loopback an account that may become root.
    Teacher,
    /// A phone that was paired as administrator; on loopback as for a teacher.
    Administrator,
}

/// The required role of each method, by declared path.
pub(crate) type Roles = HashMap<&'static str, Vec<(Method, RequiredRole)>>;

/// Routes with their roles and their state.
#[derive(Default)]
pub(crate) struct Endpoints {
    router: Router,
    roles: Roles,
}

/// Routes under declaration; all share the state `S`.
pub(crate) struct Builder<S> {
    router: Router<S>,
    roles: Roles,
    state: S,
}

impl Endpoints {
    /// Starts the declaration of routes whose handlers share `state`.
    pub(crate) fn with_state<S: Clone + Send + Sync + 'static>(state: S) -> Builder<S> {
        Builder { router: Router::new(), roles: Roles::new(), state }
    }

    /// The routes of both.
    #[must_use]
    pub(crate) fn merge(mut self, others: Self) -> Self {
        for (path, roles) in others.roles {
            self.roles.entry(path).or_default().extend(roles);
        }
        Self { router: self.router.merge(others.router), roles: self.roles }
    }

    /// The router, and the roles that its requests require.
    pub(crate) fn into_parts(self) -> (Router, Roles) {
        (self.router, self.roles)
    }

    /// A route that is in the router, but not in the table of roles.
    #[cfg(test)]
    pub(crate) fn undeclared(router: Router) -> Self {
        Self { router, roles: Roles::new() }
    }
}

impl<S: Clone + Send + Sync + 'static> Builder<S> {
    /// Declares that `handler` serves `GET path` and `HEAD path`, and that both require `role`.
    #[must_use]
    pub(crate) fn get<H: Handler<T, S>, T: 'static>(
        mut self,
        path: &'static str,
        role: RequiredRole,
        handler: H,
    ) -> Self {
        self.declare(path, [(Method::GET, role), (Method::HEAD, role)]);
        Self { router: self.router.route(path, get(handler)), ..self }
    }

    /// As [`Builder::get`], for `POST`.
    #[must_use]
    pub(crate) fn post<H: Handler<T, S>, T: 'static>(
        mut self,
        path: &'static str,
        role: RequiredRole,
        handler: H,
    ) -> Self {
        self.declare(path, [(Method::POST, role)]);
        Self { router: self.router.route(path, post(handler)), ..self }
    }

    /// As [`Builder::get`], for `PUT`.
    #[must_use]
    pub(crate) fn put<H: Handler<T, S>, T: 'static>(
        mut self,
        path: &'static str,
        role: RequiredRole,
        handler: H,
    ) -> Self {
        self.declare(path, [(Method::PUT, role)]);
        Self { router: self.router.route(path, put(handler)), ..self }
    }

    /// As [`Builder::get`], for `DELETE`.
    #[must_use]
    pub(crate) fn delete<H: Handler<T, S>, T: 'static>(
        mut self,
        path: &'static str,
        role: RequiredRole,
        handler: H,
    ) -> Self {
        self.declare(path, [(Method::DELETE, role)]);
        Self { router: self.router.route(path, delete(handler)), ..self }
    }

    fn declare(&mut self, path: &'static str, roles: impl IntoIterator<Item = (Method, RequiredRole)>) {
        self.roles.entry(path).or_default().extend(roles);
    }

    /// The declared routes with their state.
    pub(crate) fn finish(self) -> Endpoints {
        Endpoints { router: self.router.with_state(self.state), roles: self.roles }
    }
}

/// The path, as it was declared, of the route that serves `request`.
pub(crate) fn declared_path(request: &Request) -> Option<MatchedPath> {
    request.extensions().get().cloned()
}
