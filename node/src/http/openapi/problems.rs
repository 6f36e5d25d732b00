//! The errors that operations answer beside what was asked for, as `application/problem+json`.
//!
//! Any operation may answer 401 and 403 (the guards), 408, 500 and 503; those are added to all of them
//! ([`super::tidy`]). The others are named where they are used.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};

/// What any operation may answer.
pub(super) const ANYWHERE: [(&str, &str); 5] = [
    ("401", "缺少令牌或令牌不正确 / the token is missing or wrong"),
    ("403", "不允许 / not allowed: host or origin, role, or a reason is missing"),
    ("408", "请求超时 / the request took too long"),
    ("500", "存储或视图已损坏 / the store or the views are damaged"),
    ("503", "节点繁忙、正在启动或停止 / the node is busy, starts or stops"),
];

fn problem(description: &str) -> RefOr<Response> {
    let content = Content::builder().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(description).content("application/problem+json", content).build().into()
}

/// A set of errors that goes with a kind of operation.
macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident { $($status:literal: $description:literal,)+ })+) => {$(
        $(#[$doc])*
        pub(in crate::http) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                [$(($status.to_owned(), problem($description))),+].into()
            }
        }
    )+};
}

problems! {
    /// The question may be wrong.
    Wrong {
        "400": "参数有误 / a parameter is wrong",
    }
    /// The question may be wrong, or what it names is not here.
    Sought {
        "400": "参数有误 / a parameter is wrong",
        "404": "本节点没有 / there is no such thing here",
    }
    /// What the path names is not here.
    Missing {
        "404": "本节点没有 / there is no such thing here",
    }
    /// What the question says is well-formed, and cannot be taken.
    Refused {
        "422": "内容不可接受 / the content is refused",
    }
    /// What the path names does not stand as it was.
    Clashing {
        "409": "与现状冲突 / it does not go with what is recorded",
    }
    /// What the path names does not count any more.
    Gone {
        "410": "已停用 / it was retired",
    }
    /// What was revealed could not be noted, so nothing is shown.
    Noted {
        "507": "无法记录，不予显示 / it could not be noted, so nothing is shown",
    }
    /// Something is to be recorded.
    Written {
        "400": "请求有误 / the request is wrong",
        "409": "与现状冲突 / it does not go with what is recorded",
        "413": "内容过大 / the body is too large",
        "415": "内容类型不符 / the body has another type",
        "422": "内容不可接受 / the content is refused",
        "507": "磁盘空间不足或写入失败 / the disk is full or fails",
    }
}
