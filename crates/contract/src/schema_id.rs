//! Schema ids as types: a payload with another schema id does not parse.

/// Declares a unit type that serializes as `$id` and deserializes only from `$id`.
macro_rules! schema_id {
    ($name:ident, $id:literal) => {
        #[doc = concat!("The schema id `", $id, "`.")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $name;

        impl $name {
            /// Name and version of the schema.
            pub const ID: &'static str = $id;
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(Self::ID)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let id = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                if id == Self::ID {
                    return Ok(Self);
                }
                let id: String = id.chars().take(64).collect();
                Err(serde::de::Error::custom(format_args!("schema {id:?} instead of {:?}", Self::ID)))
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "const": Self::ID })
            }
        }
    };
}

pub(crate) use schema_id;
