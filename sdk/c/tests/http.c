// Requests reach the host as they are made, and answers of every kind come back in their order.

#include "fake_host.h"

static const mill_column columns[] = {
    MILL_WHOLE_COLUMN(int32_t, "number", MILL_READ),
};

static bool is(mill_text text, const char *expect) { return mill_equal(text, mill_text_of(expect)); }

static mill_verdict process_columns(void *config, mill_batch *batch) {
    (void)config, (void)batch;
    const mill_header header = {MILL_TEXT("x-a"), MILL_TEXT("b")};
    const mill_request requests[] = {
        {.url = MILL_TEXT("/cars")},
        {.url = MILL_TEXT("0")},
        {"POST", MILL_TEXT("/"), &header, 1, {(uint8_t *)"body", 4}},
        {.url = MILL_TEXT("1")},
        {.url = MILL_TEXT("2")},
        {.url = MILL_TEXT("3")},
    };
    mill_response responses[MILL_LENGTH(requests)], again;
    mill_http_send(requests, MILL_LENGTH(requests), responses);
    mill_http_send(requests, 1, &again);
    CHECK_THAT(responses[0].outcome == MILL_ANSWERED && responses[0].status == 200 && responses[0].body.length == 0);
    CHECK_THAT(responses[0].headers_count == 1 && is(responses[0].headers[0].name, "GET"));
    CHECK_THAT(is(responses[0].headers[0].value, "/cars") && is(again.headers[0].value, "/cars"));
    CHECK_THAT(responses[1].outcome == MILL_DENIED && is(responses[1].reason, "because"));
    CHECK_THAT(is(responses[2].headers[0].name, "POST") && memcmp(responses[2].body.data, "body", 4) == 0);
    CHECK_THAT(responses[3].outcome == MILL_TIMED_OUT && responses[4].outcome == MILL_TOO_LARGE);
    CHECK_THAT(responses[5].outcome == MILL_BROKEN && is(responses[5].reason, "because"));
    return mill_keep();
}

const mill_plugin millstream_plugin = {
    .name = "http",
    .version = "0.1.0",
    .row = MILL_WHOLE_COLUMNS(columns),
    .process_columns = process_columns,
};

int main(void) {
    CHECK(configure("{}", "number"), "");
    given_rows = 1;
    for (int again = 0; again < 3; again++) CHECK(process(), "ok");
    return 0;
}
