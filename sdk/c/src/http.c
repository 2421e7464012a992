// Requests to servers. The answers are the host's lists, kept until the call ends.

#include "internal.h"

struct answers {
    struct answers *before;
    millstream_plugin_http_list_result_response_http_error_t list;
};

static struct answers *newest;

void free_responses(void) {
    for (; newest != NULL; newest = newest->before) {
        millstream_plugin_http_list_result_response_http_error_free(&newest->list);
    }
}

static bindings_string_t lent(mill_text text) { return (bindings_string_t){(uint8_t *)text.data, text.length}; }

static mill_text text_of(bindings_string_t text) { return (mill_text){(const char *)text.ptr, text.len}; }

static millstream_plugin_http_request_t to_host(const mill_request *request) {
    bindings_tuple2_string_string_t *headers = mill_alloc(request->headers_count * sizeof *headers);
    for (size_t at = 0; at < request->headers_count; at++) {
        headers[at].f0 = lent(request->headers[at].name);
        headers[at].f1 = lent(request->headers[at].value);
    }
    return (millstream_plugin_http_request_t){
        .method = lent(mill_text_of(request->method == NULL ? "GET" : request->method)),
        .url = lent(request->url),
        .headers = {headers, request->headers_count},
        .body = {(uint8_t *)request->body.data, request->body.length},
    };
}

static mill_response answered(const millstream_plugin_http_response_t *from) {
    mill_header *headers = mill_alloc(from->headers.len * sizeof *headers);
    for (size_t at = 0; at < from->headers.len; at++) {
        headers[at] = (mill_header){text_of(from->headers.ptr[at].f0), text_of(from->headers.ptr[at].f1)};
    }
    return (mill_response){
        .outcome = MILL_ANSWERED,
        .status = from->status,
        .headers = headers,
        .headers_count = from->headers.len,
        .body = {from->body.ptr, from->body.len},
    };
}

static mill_response unanswered(const millstream_plugin_http_http_error_t *error) {
    switch (error->tag) {
    case MILLSTREAM_PLUGIN_HTTP_HTTP_ERROR_DENIED:
        return (mill_response){.outcome = MILL_DENIED, .reason = text_of(error->val.denied)};
    case MILLSTREAM_PLUGIN_HTTP_HTTP_ERROR_TIMEOUT:
        return (mill_response){.outcome = MILL_TIMED_OUT, .reason = MILL_TEXT("the server did not answer in time")};
    case MILLSTREAM_PLUGIN_HTTP_HTTP_ERROR_TOO_LARGE:
        return (mill_response){.outcome = MILL_TOO_LARGE, .reason = MILL_TEXT("the answer is too large")};
    default: return (mill_response){.outcome = MILL_BROKEN, .reason = text_of(error->val.failed)};
    }
}

void mill_http_send(const mill_request *requests, size_t count, mill_response *responses) {
    millstream_plugin_http_request_t *list = mill_alloc(count * sizeof *list);
    for (size_t at = 0; at < count; at++) list[at] = to_host(&requests[at]);
    struct answers *answers = mill_alloc(sizeof *answers);
    answers->before = newest;
    newest = answers;
    millstream_plugin_http_list_request_t asked = {list, count};
    millstream_plugin_http_send_many(&asked, &answers->list);
    for (size_t at = 0; at < count; at++) {
        const millstream_plugin_http_result_response_http_error_t *answer = &answers->list.ptr[at];
        responses[at] = answer->is_err ? unanswered(&answer->val.err) : answered(&answer->val.ok);
    }
}
