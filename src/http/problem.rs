//! Adds `application/problem+json` to every 422 of the OpenAPI document.
//! Does not render problems; `errors` does.

use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response};

/// The derive macros take one content type per response; the second one is added here.
pub fn offer_problem_documents(document: &mut OpenApi) {
    for path in document.paths.paths.values_mut() {
        let operations = [path.get.as_mut(), path.post.as_mut(), path.put.as_mut()].into_iter().flatten();
        for operation in operations {
            if let Some(RefOr::T(response)) = operation.responses.responses.get_mut("422") {
                add_problem(response);
            }
        }
    }
}

fn add_problem(response: &mut Response) {
    let schema = Ref::from_schema_name("ProblemDocument");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    response.content.insert("application/problem+json".to_owned(), RefOr::T(content));
}
