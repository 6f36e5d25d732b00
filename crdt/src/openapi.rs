//! Descriptions (OpenAPI) of the types whose JSON form is written by hand; those of the others are derived. Only with the
//! feature `openapi`: the core needs none of it.

#[cfg(feature = "openapi")]
pub(crate) mod forms;

/// Gives a type the description that an expression makes.
macro_rules! described {
    ($type:ty => $schema:expr) => {
        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                $schema
            }
        }
        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $type {}
    };
}
pub(crate) use described;
