//! Paths of gRPC: `/` service `/` method, exact in every character (PROTOCOL-HTTP2, "Path").

/// Where the original serves gRPC-web.
const WEB_PREFIX: &str = "/grpcweb/event/v2";

/// A service that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Events: the stream dialect.
    Event,
    /// Whether the others can be used.
    Health,
    /// What the others look like.
    Reflection,
    /// The same, as tools asked before it was settled.
    ReflectionAlpha,
}

impl Service {
    /// All services, in the order in which they are listed.
    pub const ALL: [Self; 4] = [
        Self::Event,
        Self::Health,
        Self::Reflection,
        Self::ReflectionAlpha,
    ];

    /// The full name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event => "apis.event.v2.EventService",
            Self::Health => "grpc.health.v1.Health",
            Self::Reflection => "grpc.reflection.v1.ServerReflection",
            Self::ReflectionAlpha => "grpc.reflection.v1alpha.ServerReflection",
        }
    }

    /// The service whose method a path names, whether it has one of that name or not.
    pub fn of_path(path: &str) -> Option<Self> {
        let web = path.strip_prefix(WEB_PREFIX);
        let (service, _) = web.unwrap_or(path).strip_prefix('/')?.split_once('/')?;
        let service = Self::by_name(service)?;
        (web.is_none() || service == Self::Event).then_some(service)
    }

    /// The service of this full name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }
}

/// A method that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `EventService.Stream`.
    Stream,
    /// `EventService.Publish`.
    Publish,
    /// `Health.Check`.
    HealthCheck,
    /// `Health.List`.
    HealthList,
    /// `Health.Watch`.
    HealthWatch,
    /// `ServerReflection.ServerReflectionInfo`.
    Reflection,
    /// The same of version v1alpha.
    ReflectionAlpha,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 7] = [
        Self::Stream,
        Self::Publish,
        Self::HealthCheck,
        Self::HealthList,
        Self::HealthWatch,
        Self::Reflection,
        Self::ReflectionAlpha,
    ];

    /// The method of a path without query. Events have a second address, for gRPC-web; that it is used
    /// for nothing else is not checked.
    pub fn parse(path: &str) -> Option<Self> {
        let service = Service::of_path(path)?;
        let web = path.strip_prefix(WEB_PREFIX);
        let (_, method) = web.unwrap_or(path).strip_prefix('/')?.split_once('/')?;
        let mut all = Self::ALL.into_iter();
        all.find(|known| known.service() == service && known.name() == method)
    }

    /// The service that has this method.
    pub const fn service(self) -> Service {
        match self {
            Self::Stream | Self::Publish => Service::Event,
            Self::HealthCheck | Self::HealthList | Self::HealthWatch => Service::Health,
            Self::Reflection => Service::Reflection,
            Self::ReflectionAlpha => Service::ReflectionAlpha,
        }
    }

    /// The name within the service.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stream => "Stream",
            Self::Publish => "Publish",
            Self::HealthCheck => "Check",
            Self::HealthList => "List",
            Self::HealthWatch => "Watch",
            Self::Reflection | Self::ReflectionAlpha => "ServerReflectionInfo",
        }
    }

    /// Whether the client sends exactly one message. Another number is UNIMPLEMENTED (statuscodes.md,
    /// "Request cardinality violation").
    pub const fn is_unary_request(self) -> bool {
        match self {
            Self::Publish | Self::HealthCheck | Self::HealthList | Self::HealthWatch => true,
            Self::Stream | Self::Reflection | Self::ReflectionAlpha => false,
        }
    }

    /// Whether a call that goes well is answered by exactly one message.
    pub const fn is_unary_response(self) -> bool {
        match self {
            Self::Publish | Self::HealthCheck | Self::HealthList => true,
            Self::Stream | Self::HealthWatch | Self::Reflection | Self::ReflectionAlpha => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_its_path() {
        for method in Method::ALL {
            let path = format!("/{}/{}", method.service().name(), method.name());
            assert_eq!(Method::parse(&path), Some(method));
            let events = method.service() == Service::Event;
            let web = Method::parse(&format!("{WEB_PREFIX}{path}"));
            assert_eq!(web, events.then_some(method), "{path}");
        }
    }

    #[test]
    fn paths_are_exact() {
        for path in [
            "",
            "/",
            "//",
            "apis.event.v2.EventService/Stream",
            "/apis.event.v2.EventService",
            "/apis.event.v2.EventService/",
            "/apis.event.v2.EventService/stream",
            "/apis.event.v2.EventService/Stream/",
            "/apis.event.v2.EventService/Check",
            "/apis.event.v2.eventservice/Stream",
            "/grpcweb/event/v2apis.event.v2.EventService/Stream",
            "/grpcweb/event/v2/grpcweb/event/v2/apis.event.v2.EventService/Stream",
            "/grpc.reflection.v1beta.ServerReflection/ServerReflectionInfo",
        ] {
            assert_eq!(Method::parse(path), None, "{path}");
        }
    }
}
