//! Paths of gRPC: `/` service `/` method, exact in every character (PROTOCOL-HTTP2, "Path").

/// A service that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Events, whose methods are the stream dialect's: known here by name only.
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

    /// The service of this full name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }
}

/// A path of this dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// A method.
    Method(Method),
    /// No method of a service that is there.
    NoMethod,
}

/// A method that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
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

impl Route {
    /// What a path without query names, if that is one of the services here.
    pub fn parse(path: &str) -> Option<Self> {
        let (service, method) = path.strip_prefix('/')?.split_once('/')?;
        let service = Service::by_name(service).filter(|service| *service != Service::Event)?;
        let mut all = Method::ALL.into_iter();
        let known = all.find(|known| known.service() == service && known.name() == method);
        Some(known.map_or(Self::NoMethod, Self::Method))
    }
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 5] = [
        Self::HealthCheck,
        Self::HealthList,
        Self::HealthWatch,
        Self::Reflection,
        Self::ReflectionAlpha,
    ];

    /// The service that has this method.
    pub const fn service(self) -> Service {
        match self {
            Self::HealthCheck | Self::HealthList | Self::HealthWatch => Service::Health,
            Self::Reflection => Service::Reflection,
            Self::ReflectionAlpha => Service::ReflectionAlpha,
        }
    }

    /// The name within the service.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HealthCheck => "Check",
            Self::HealthList => "List",
            Self::HealthWatch => "Watch",
            Self::Reflection | Self::ReflectionAlpha => "ServerReflectionInfo",
        }
    }

    /// Whether the client sends exactly one message. Another number is UNIMPLEMENTED
    /// (statuscodes.md, "Request cardinality violation").
    pub const fn is_unary_request(self) -> bool {
        match self {
            Self::HealthCheck | Self::HealthList | Self::HealthWatch => true,
            Self::Reflection | Self::ReflectionAlpha => false,
        }
    }

    /// Whether a call that goes well is answered by exactly one message.
    pub const fn is_unary_response(self) -> bool {
        match self {
            Self::HealthCheck | Self::HealthList => true,
            Self::HealthWatch | Self::Reflection | Self::ReflectionAlpha => false,
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
            assert_eq!(Route::parse(&path), Some(Route::Method(method)));
            assert_eq!(Route::parse(&format!("/grpcweb/event/v2{path}")), None);
            assert_eq!(Route::parse(&format!("{path}/")), Some(Route::NoMethod));
        }
    }

    #[test]
    fn paths_are_exact() {
        for path in [
            "",
            "/",
            "//",
            "grpc.health.v1.Health/Check",
            "/grpc.health.v1.Health",
            "/grpc.health.v1.health/Check",
            // The stream dialect's.
            "/apis.event.v2.EventService/Stream",
            "/grpc.reflection.v1beta.ServerReflection/ServerReflectionInfo",
        ] {
            assert_eq!(Route::parse(path), None, "{path}");
        }
    }
}
