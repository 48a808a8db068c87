/* Zipkin in all four encodings: each field where receivers.md 5 says it goes, and bad input refused. */
#include "dump.h"

#include "vivace/codec/zipkin.h"

#define NOW_NS 77

static const struct zipkin_options plain = {.now_ns = NOW_NS},
                                   parsing = {.parse_string_tags = true, .now_ns = NOW_NS};

static void
check(slice body, enum zipkin_format format, const struct zipkin_options *o, const char *want)
{
    struct span_batch b;
    struct fault f = {0};
    struct buf out;
    span_batch_init(&b, 1 << 24);
    buf_init(&out, 1 << 20);
    assert_ok(zipkin_decode(body, format, o, &b, &f), &f);
    dump_batch(&out, &b);
    assert_string_equal((char *)out.p, want);
    buf_fini(&out);
    span_batch_fini(&b);
}

static void
refuse(slice body, enum zipkin_format format, const char *want)
{
    struct span_batch b;
    struct fault f = {0};
    span_batch_init(&b, 1 << 24);
    assert_int_equal(zipkin_decode(body, format, &plain, &b, &f), ERR_INVALID);
    if (strstr(f.msg, want) == NULL) {
        fail_msg("'%.*s': got '%s', want '%s'", SL_FMT(body), f.msg, want);
    }
    span_batch_fini(&b);
}

/* --- v2 JSON ----------------------------------------------------------------------------------------------
 */

static void
every_field_of_v2_json_has_its_place(void **state)
{
    (void)state;
    check(SL("[{\"traceId\":\"463ac35c9f6413ad48485a3953bb6124\",\"id\":\"a2fb4a1d1a96d312\",\"parentId\":"
             "\"1\",\"name\":\"get "
             "\\u00e9\",\"kind\":\"CLIENT\",\"timestamp\":1700000000000000,\"duration\":1500,\"debug\":true,"
             "\"shared\":false,"
             "\"localEndpoint\":{\"serviceName\":\"front\",\"ipv4\":\"10.0.0.1\",\"ipv6\":\"2001:DB8:0:0:1:0:"
             "0:1\",\"port\":8080},"
             "\"remoteEndpoint\":{\"serviceName\":\"db\",\"ipv4\":\"10.0.0.2\",\"port\":0},"
             "\"annotations\":[{\"timestamp\":5,\"value\":\"a|b\"},"
             "{\"timestamp\":6,\"value\":\"ev|{\\\"s\\\":\\\"x|y\\\",\\\"b\\\":true,\\\"i\\\":3.0,\\\"d\\\":"
             "1.5,\\\"o\\\":{\\\"z\\\":[1]}}|7\"}],"
             "\"tags\":{\"http.method\":\"GET\",\"n\":\"1\",\"otel.status_code\":\"STATUS_CODE_ERROR\","
             "\"otel.status_description\":\"boom\","
             "\"w3c.tracestate\":\"k=v\",\"otel.library.name\":\"lib\",\"otel.library.version\":\"2\",\"host."
             "name\":\"h1\","
             "\"otlp.link.0\":\"0af7651916cd43dd8448eb211c80319c|b7ad6b7169203331|st|{\\\"q\\\":\\\"w\\\"}|"
             "3\",\"otlp.link.1\":\"few|parts\","
             "\"otlp.link.3\":\"not reached\",\"n\":\"2\"}}]"),
          ZIPKIN_V2_JSON, &plain,
          "resource {service.name='front' host.name='h1'} scope 'lib' '2'\n"
          "span 463ac35c9f6413ad48485a3953bb6124/a2fb4a1d1a96d312<01 'get \xc3\xa9' kind=3 "
          "[1700000000000000000,1700000000001500000] status=2'boom' state='k=v' {http.method='GET' n='2' "
          "otlp.link.3='not reached' net.host.ip='2001:db8::1:0:0:1' net.host.port=8080 peer.service='db' "
          "net.peer.ip='10.0.0.2'}\n"
          "  event 5000 'a' {} dropped=0\n"
          "  event 6000 'ev' {s='x|y' b=true i=3 d=1.5d} dropped=7\n"
          "  link 0af7651916cd43dd8448eb211c80319c/b7ad6b7169203331 state='st' {q='w'} dropped=3\n");
}

static void
v2_kind_status_and_times_follow_the_tags(void **state)
{
    (void)state;
    static const struct {
        const char *members, *want;
    } cases[] = {
        {"\"kind\":\"SERVER\",\"tags\":{\"span.kind\":\"x\"}",
         "kind=2 [0,0] status=0'' state='' {span.kind='x' "},
        {"\"kind\":\"PRODUCER\"", "kind=4 [0,0] status=0'' state='' {"},
        {"\"kind\":\"CONSUMER\"", "kind=5 [0,0] status=0'' state='' {"},
        {"\"kind\":\"client\"", "kind=0 [0,0] status=0'' state='' {"},
        {"\"tags\":{\"span.kind\":\"internal\"}", "kind=1 [0,0] status=0'' state='' {"},
        {"\"tags\":{\"span.kind\":\"server\"}", "kind=0 [0,0] status=0'' state='' {"},
        {"\"tags\":{\"error\":\"false\"}", "kind=0 [0,0] status=2'' state='' {error='false' "},
        {"\"tags\":{\"error\":\"true\"}", "kind=0 [0,0] status=2'' state='' {"},
        {"\"tags\":{\"error\":\"true\",\"otel.status_code\":\"Ok\"}", "kind=0 [0,0] status=2'' state='' {"},
        {"\"tags\":{\"otel.status_code\":\"Unset\"}", "kind=0 [0,0] status=0'' state='' {"},
        {"\"tags\":{\"otel.status_code\":\"Error\"}", "kind=0 [0,0] status=2'' state='' {"},
        {"\"tags\":{\"otel.status_description\":\"d\"}",
         "kind=0 [0,0] status=0'' state='' {otel.status_description='d' "},
        {"\"duration\":3", "kind=0 [0,3000] status=0'' state='' {"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char body[256], want[256];
        snprintf(body, sizeof body, "[{\"id\":\"2\",\"traceId\":\"1\",%s}]", cases[i].members);
        snprintf(want, sizeof want,
                 "resource {} scope '' ''\nspan 01/02<00 '' %sotel.zipkin.absentField.startTime=true}\n",
                 cases[i].want);
        check(slice_cstr(body), ZIPKIN_V2_JSON, &plain, want);
    }
}

static void
v2_names_match_in_any_case_and_null_is_nothing(void **state)
{
    (void)state;
    check(SL(" [null, "
             "{\"TRACEID\":\"1\",\"Id\":\"2\",\"parentId\":\"2\",\"NAME\":null,\"tags\":null,\"annotations\":"
             "null,"
             "\"localEndpoint\":null,\"timestamp\":7,\"unknown\":[{}]} ] "),
          ZIPKIN_V2_JSON, &plain,
          "resource {} scope '' ''\nspan 01/02<00 '' kind=0 [7000,7000] status=0'' state='' {}\n");
    check(SL("[]"), ZIPKIN_V2_JSON, &plain, "");
    check(SL("null"), ZIPKIN_V2_JSON, &plain, "");
    check(SL(""), ZIPKIN_V2_PROTO, &plain, "");
}

static void
v2_spans_are_sorted_by_service_and_library(void **state)
{
    (void)state;
#define SPAN(id, service, tags)                                                                              \
    "{\"traceId\":\"1\",\"id\":\"" id "\",\"timestamp\":1,\"localEndpoint\":{\"serviceName\":\"" service     \
    "\"},\"tags\":{" tags "}}"
    check(
        SL("[" SPAN("1", "b", "\"host.id\":\"late\"") "," SPAN("2", "a", "\"otel.library.name\":\"z\",\"os.type\":\"lost\"") "," SPAN(
            "3", "b",
            "\"otel.library.name\":\"l\",\"otel.library.version\":\"9\"") "," SPAN("4", "a",
                                                                                   "\"k8s.pod.name\":"
                                                                                   "\"p\",\"service."
                                                                                   "name\":\"own\","
                                                                                   "\"otel.library."
                                                                                   "version\":\"no "
                                                                                   "name\"") "," SPAN("5", "",
                                                                                                      "\""
                                                                                                      "ho"
                                                                                                      "st"
                                                                                                      ".i"
                                                                                                      "d"
                                                                                                      "\""
                                                                                                      ":"
                                                                                                      "\""
                                                                                                      "lo"
                                                                                                      "st"
                                                                                                      "\"") "," SPAN("6",
                                                                                                                     "a",
                                                                                                                     "\"otlp.service.name.source\":\"ignored\"") "]"),
        ZIPKIN_V2_JSON, &plain,
        "resource {} scope '' ''\n"
        "span 01/05<00 '' kind=0 [1000,1000] status=0'' state='' {}\n"
        "resource {service.name='own' k8s.pod.name='p'} scope '' ''\n"
        "span 01/04<00 '' kind=0 [1000,1000] status=0'' state='' {}\n"
        "span 01/06<00 '' kind=0 [1000,1000] status=0'' state='' {}\n"
        "resource {service.name='own' k8s.pod.name='p'} scope 'z' ''\n"
        "span 01/02<00 '' kind=0 [1000,1000] status=0'' state='' {}\n"
        "resource {service.name='b' host.id='late'} scope '' ''\n"
        "span 01/01<00 '' kind=0 [1000,1000] status=0'' state='' {}\n"
        "resource {service.name='b' host.id='late'} scope 'l' '9'\n"
        "span 01/03<00 '' kind=0 [1000,1000] status=0'' state='' {}\n");
    check(SL("[" SPAN("1", "s", "\"otlp.service.name.source\":\"k8s.pod.name\"") "]"), ZIPKIN_V2_JSON, &plain,
          "resource {k8s.pod.name='s'} scope '' ''\n"
          "span 01/01<00 '' kind=0 [1000,1000] status=0'' state='' {}\n");
}

static void
string_tags_are_parsed_when_asked(void **state)
{
    (void)state;
    check(SL("[{\"traceId\":\"1\",\"id\":\"2\",\"timestamp\":1,\"tags\":{\"i\":\"-12\",\"d\":\"0.5\",\"t\":"
             "\"true\",\"f\":\"false\","
             "\"e\":\"1e3\",\"p\":\"1.\",\"q\":\".5\",\"big\":\"99999999999999999999\",\"small\":\"-"
             "99999999999999999999\",\"m\":\"-\",\"x\":\"\"}}]"),
          ZIPKIN_V2_JSON, &parsing,
          "resource {} scope '' ''\nspan 01/02<00 '' kind=0 [1000,1000] status=0'' state='' {i=-12 d=0.5d "
          "t=true f=false "
          "e='1e3' p='1.' q='.5' big=9223372036854775807 small=-9223372036854775808 m='-' x=''}\n");
}

static void
bad_v2_json_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body, *want;
    } cases[] = {
        {"", "unexpected end"},
        {"{}", "an array is wanted"},
        {"[1]", "an array of objects"},
        {"[] x", "after top-level value"},
        {"[{\"traceId\":\"1\"}]", "valid span id required"},
        {"[{\"id\":\"0\"}]", "valid span id required"},
        {"[{\"id\":\"11112222333344445\"}]", "valid span id required"},
        {"[{\"id\":\"1\",\"traceId\":\"\"}]", "valid traceId required"},
        {"[{\"id\":\"1\",\"traceId\":\"xyz\"}]", "valid traceId required"},
        {"[{\"id\":\"1\",\"traceId\":\"123456789012345678901234567890123\"}]", "valid traceId required"},
        {"[{\"id\":\"1\",\"timestamp\":\"5\"}]", "unsigned integer"},
        {"[{\"id\":\"1\",\"timestamp\":1.5}]", "unsigned integer"},
        {"[{\"id\":\"1\",\"duration\":-1}]", "unsigned integer"},
        {"[{\"id\":\"1\",\"localEndpoint\":{\"ipv4\":\"1.2.3\"}}]", "invalid IP address: 1.2.3"},
        {"[{\"id\":\"1\",\"localEndpoint\":{\"port\":65536}}]", "port"},
        {"[{\"id\":\"1\",\"annotations\":[{\"value\":\"x\"}]}]", "valid annotation timestamp required"},
        {"[{\"id\":\"1\",\"annotations\":[{\"timestamp\":1,\"value\":\"x|{|1\"}]}]", "attributes"},
        {"[{\"id\":\"1\",\"annotations\":[{\"timestamp\":1,\"value\":\"x|{} 1|1\"}]}]", "after top-level"},
        {"[{\"id\":\"1\",\"annotations\":[{\"timestamp\":1,\"value\":\"x|[]|1\"}]}]", "a JSON object"},
        {"[{\"id\":\"1\",\"annotations\":[{\"timestamp\":1,\"value\":\"x|{}|-1\"}]}]",
         "dropped attributes count"},
        {"[{\"id\":\"1\",\"tags\":{\"a\":1}}]", "a string is wanted"},
        {"[{\"id\":\"1\",\"tags\":{\"otlp.link.0\":\"12|34|s|{}|0\"}}]", "invalid length for ID"},
        {"[{\"id\":\"1\",\"tags\":{\"otlp.link.0\":\"||s|{}|x\"}}]", "dropped attributes count"},
        {"[{\"id\":\"1\",\"shared\":1}]", "true or false"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        refuse(slice_cstr(cases[i].body), ZIPKIN_V2_JSON, cases[i].want);
    }
}

static void
many_equal_tags_are_one_and_take_no_square_time(void **state)
{
    (void)state;
    struct buf body;
    buf_init(&body, 1 << 24);
    buf_append_cstr(&body, "[{\"traceId\":\"1\",\"id\":\"2\",\"timestamp\":1,\"tags\":{");
    for (int i = 0; i < 60000; i++) {
        buf_printf(&body, "%s\"k%d\":\"%d\"", i ? "," : "", i % 3, i);
    }
    buf_append_cstr(&body, "}}]");
    check(buf_slice(&body), ZIPKIN_V2_JSON, &plain,
          "resource {} scope '' ''\nspan 01/02<00 '' kind=0 [1000,1000] status=0'' state='' {"
          "k0='59997' k1='59998' k2='59999'}\n");
    buf_fini(&body);
}

static void
an_envoy_batch_keeps_its_pairs(void **state)
{
    (void)state;
    check(SL("[{\"traceId\":\"0f0e0d0c0b0a09080706050403020100\",\"id\":\"1111111111111111\",\"name\":"
             "\"reviews:9080/*\",\"kind\":"
             "\"CLIENT\",\"timestamp\":1700000000000000,\"duration\":1000,\"localEndpoint\":{\"serviceName\":"
             "\"productpage.default\","
             "\"ipv4\":\"10.1.0.5\",\"port\":0},\"tags\":{\"http.status_code\":\"200\",\"component\":"
             "\"proxy\",\"response_flags\":\"-\"}},"
             "{\"traceId\":\"0f0e0d0c0b0a09080706050403020100\",\"id\":\"2222222222222222\",\"parentId\":"
             "\"1111111111111111\","
             "\"name\":\"reviews:9080/"
             "*\",\"kind\":\"SERVER\",\"timestamp\":1700000000000100,\"duration\":800,\"localEndpoint\":"
             "{\"serviceName\":\"reviews.default\",\"ipv4\":\"10.1.0.6\",\"port\":9080},\"tags\":{\"http."
             "status_code\":\"503\",\"error\":"
             "\"true\"}}]"),
          ZIPKIN_V2_JSON, &plain,
          "resource {service.name='productpage.default'} scope '' ''\n"
          "span 0f0e0d0c0b0a09080706050403020100/1111111111111111<00 'reviews:9080/*' kind=3 "
          "[1700000000000000000,1700000000001000000] status=0'' state='' {http.status_code='200' "
          "component='proxy' "
          "response_flags='-' net.host.ip='10.1.0.5'}\n"
          "resource {service.name='reviews.default'} scope '' ''\n"
          "span 0f0e0d0c0b0a09080706050403020100/2222222222222222<1111111111111111 'reviews:9080/*' kind=2 "
          "[1700000000000100000,1700000000000900000] status=2'' state='' {http.status_code='503' "
          "net.host.ip='10.1.0.6' "
          "net.host.port=9080}\n");
}

/* --- v2 protobuf ------------------------------------------------------------------------------------------
 */

static void
every_field_of_v2_protobuf_has_its_place(void **state)
{
    (void)state;
    static const char span[] = "\x0a\x10\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\x12\x08\0\0\0\0\0\0\0\3\x1a"
                               "\x08\0\0\0\0\0\0\0\2\x20\2\x2a\2op"
                               "\x31\x05\0\0\0\0\0\0\0\x38\x07\x42\x10\x0a\3srv\x12\4\x0a\0\0\1\x20\x90\x3f"
                               "\x12\0\x4a\x17\x0a\3rem\x1a\x10\0\0\0\0\0\0\0\0\0\0\xff\xff\1\2\3\4"
                               "\x52\x0c\x09\x09\0\0\0\0\0\0\0\x12\1e\x5a\x06\x0a\1k\x12\1v\x60\1\x68\1";
    uint8_t body[256] = {0x0a, sizeof span - 1};
    memcpy(body + 2, span, sizeof span - 1);
    /* The empty second ipv4 above unsets the first. */
    check(slice_of(body, sizeof span + 1), ZIPKIN_V2_PROTO, &plain,
          "resource {service.name='srv'} scope '' ''\n"
          "span 0102030405060708090a0b0c0d0e0f10/02<03 'op' kind=2 [5000,12000] status=0'' state='' {k='v' "
          "net.host.port=8080 peer.service='rem' net.peer.ip='1.2.3.4'}\n"
          "  event 9000 'e' {} dropped=0\n");
}

static void
bad_v2_protobuf_is_refused(void **state)
{
    (void)state;
    refuse(SL("\x0a\x0a\x0a\x08\1\2\3\4\5\6\7\10"), ZIPKIN_V2_PROTO,
           "invalid TraceID: has length 8 yet wanted length 16");
    refuse(SL("\x0a\x00"), ZIPKIN_V2_PROTO, "invalid TraceID: has length 0");
    refuse(SL("\x0a\x05\x0a"), ZIPKIN_V2_PROTO, "unexpected EOF");
    refuse(SL("\x08\x05"), ZIPKIN_V2_PROTO, "wrong wireType = 0 for field Spans");
}

/* --- v1 ---------------------------------------------------------------------------------------------------
 */

static void
every_field_of_v1_json_has_its_place(void **state)
{
    (void)state;
    check(SL("[{\"traceId\":\"00000000000000ab\",\"name\":\"n\",\"parentId\":\"0000000000000003\",\"id\":"
             "\"0000000000000002\","
             "\"timestamp\":10,\"duration\":5,\"debug\":true,\"annotations\":[null,{\"timestamp\":3,"
             "\"value\":\"retry\"},"
             "{\"timestamp\":2,\"value\":\"cs\",\"endpoint\":{\"serviceName\":\"web\",\"ipv4\":\"1.2.3.4\","
             "\"ipv6\":\"::1\",\"port\":80}},"
             "{\"timestamp\":9,\"value\":\"ss\",\"endpoint\":{\"serviceName\":\"no\"}},{\"timestamp\":1,"
             "\"value\":\"\"}],"
             "\"binaryAnnotations\":[{\"key\":\"lc\",\"value\":\"comp\"},{\"key\":\"http.status_code\","
             "\"value\":\"404\"},"
             "{\"key\":\"http.status_message\",\"value\":\"gone\"},{\"key\":\"a\",\"value\":\"1\","
             "\"endpoint\":{\"serviceName\":\"x\"}},"
             "{\"key\":\"a\",\"value\":\"2\"}]}]"),
          ZIPKIN_V1_JSON, &plain,
          "resource {service.name='web' ipv4='1.2.3.4' ipv6='::1' port='80'} scope '' ''\n"
          "span ab/02<03 'n' kind=3 [10000,15000] status=2'gone' state='' {component='comp' "
          "http.status_code='404' "
          "http.status_message='gone' a='2'}\n"
          "  event 3000 'retry' {} dropped=0\n");
}

static void
v1_services_times_and_status_have_fallbacks(void **state)
{
    (void)state;
#define V1(id, rest) "{\"traceId\":\"0000000000000001\",\"id\":\"000000000000000" id "\"," rest "}"
    check(
        SL("[" V1(
            "1",
            "\"annotations\":[{\"timestamp\":4,\"value\":\"mr\"},{\"timestamp\":2,\"value\":"
            "\"x\"}]") "," V1("2",
                              "\"binaryAnnotations\":[{\"key\":\"lc\",\"value\":\"comp\"},{\"key\":\"error\","
                              "\"value\":"
                              "\"no\"},{\"key\":"
                              "\"otel.status_description\",\"value\":\"why\"}]") "," V1("3",
                                                                                        "\"timestamp\":1,"
                                                                                        "\"annotations\":[{"
                                                                                        "\"timestamp\":4,"
                                                                                        "\"value\":\"ms\"}],"
                                                                                        "\"binaryAnnotations"
                                                                                        "\":[{\"key\":"
                                                                                        "\"census.status_"
                                                                                        "code\",\"value\":"
                                                                                        "\"0\"},{\"key\":"
                                                                                        "\"error\",\"value\":"
                                                                                        "\"\"}]") "," V1("4",
                                                                                                         "\"t"
                                                                                                         "ime"
                                                                                                         "sta"
                                                                                                         "mp"
                                                                                                         "\":"
                                                                                                         "1,"
                                                                                                         "\"b"
                                                                                                         "ina"
                                                                                                         "ryA"
                                                                                                         "nno"
                                                                                                         "tat"
                                                                                                         "ion"
                                                                                                         "s"
                                                                                                         "\":"
                                                                                                         "[{"
                                                                                                         "\"k"
                                                                                                         "ey"
                                                                                                         "\":"
                                                                                                         "\"o"
                                                                                                         "tel"
                                                                                                         ".st"
                                                                                                         "atu"
                                                                                                         "s_"
                                                                                                         "cod"
                                                                                                         "e\""
                                                                                                         ",\""
                                                                                                         "val"
                                                                                                         "ue"
                                                                                                         "\":"
                                                                                                         "\"1"
                                                                                                         "\","
                                                                                                         "\"e"
                                                                                                         "ndp"
                                                                                                         "oin"
                                                                                                         "t\""
                                                                                                         ":"
                                                                                                         "{"
                                                                                                         "\"s"
                                                                                                         "erv"
                                                                                                         "ice"
                                                                                                         "Nam"
                                                                                                         "e\""
                                                                                                         ":"
                                                                                                         "\"b"
                                                                                                         "in"
                                                                                                         "\"}"
                                                                                                         "},{"
                                                                                                         "\"k"
                                                                                                         "ey"
                                                                                                         "\":"
                                                                                                         "\"h"
                                                                                                         "ttp"
                                                                                                         ".st"
                                                                                                         "atu"
                                                                                                         "s_"
                                                                                                         "cod"
                                                                                                         "e\""
                                                                                                         ",\""
                                                                                                         "val"
                                                                                                         "ue"
                                                                                                         "\":"
                                                                                                         "\"5"
                                                                                                         "00"
                                                                                                         "\"}"
                                                                                                         "]") "]"),
        ZIPKIN_V1_JSON, &plain,
        "resource {service.name='unknown-service'} scope '' ''\n"
        "span 01/01<00 '' kind=5 [2000,4000] status=0'' state='' {}\n"
        "  event 2000 'x' {} dropped=0\n"
        "span 01/03<00 '' kind=4 [1000,1000] status=1'' state='' {}\n"
        "resource {service.name='comp'} scope '' ''\n"
        "span 01/02<00 '' kind=0 [77,77] status=2'why' state='' {component='comp' "
        "otel.zipkin.absentField.startTime=true}\n"
        "resource {service.name='bin'} scope '' ''\n"
        "span 01/04<00 '' kind=0 [1000,1000] status=1'' state='' {http.status_code='500'}\n");
}

static void
bad_v1_json_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body, *want;
    } cases[] = {
        {"[{\"traceId\":\"1\"}]",
         "zipkinV1 span traceId: hex traceId span has wrong length (expected 16 or 32)"},
        {"[{\"traceId\":\"000000000000000g\"}]", "invalid hex"},
        {"[{\"traceId\":\"0000000000000000\"}]", "traceId is zero"},
        {"[{\"traceId\":\"0000000000000001\",\"id\":\"1\"}]",
         "zipkinV1 span id: hex Id has wrong length (expected 16)"},
        {"[{\"traceId\":\"0000000000000001\",\"id\":\"0000000000000000\"}]", "ID is zero"},
        {"[{\"traceId\":\"0000000000000001\",\"id\":\"0000000000000001\",\"parentId\":\"1\"}]",
         "zipkinV1 span parentId"},
        {"[{\"binaryAnnotations\":[{\"key\":\"sa\",\"value\":true}]}]", "a string is wanted"},
        {"[{\"annotations\":[{\"endpoint\":{\"port\":3000000000}}]}]", "port"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        refuse(slice_cstr(cases[i].body), ZIPKIN_V1_JSON, cases[i].want);
    }
}

#define I64(v)          "\0\0\0\0\0\0\0" v
#define BIN(k, v, n, t) "\x0b\0\1\0\0\0\1" k "\x0b\0\2\0\0\0" n v "\x08\0\3\0\0\0" t "\0"

static void
every_field_of_v1_thrift_has_its_place(void **state)
{
    (void)state;
    check(
        SL("\x0c\0\0\0\1"
           "\x0a\0\1" I64("\1") "\x0b\0\3\0\0\0\2op\x0a\0\4" I64("\2") "\x0a\0\5" I64(
               "\3") "\x0f\0\6\x0c\0\0\0\2"
                     "\x0a\0\1" I64(
                         "\4") "\x0b\0\2\0\0\0\2sr\x0c\0\3\x08\0\1\x0a\0\0\1\x06\0\2\0\x50\x0b\0\3\0\0\0\1s"
                               "\x0b\0\4\0\0\0\4\1\2\3\4\0\0"
                               "\x0a\0\1" I64(
                                   "\5") "\x0b\0\2\0\0\0\1e\0"
                                         "\x0f\0\x08\x0c\0\0\0\x08" BIN("a", "\1", "\1", "\0") BIN(
                                             "b", "\xff\xee", "\2",
                                             "\1") BIN("c", "\xff\xfe", "\2",
                                                       "\2") BIN("d", "\0\0\0\7", "\4",
                                                                 "\3") BIN("e", I64("\x08"), "\x08",
                                                                           "\4") BIN("f",
                                                                                     "\x3f\xe0\0\0\0\0\0\0",
                                                                                     "\x08",
                                                                                     "\5") BIN("g", "txt",
                                                                                               "\3", "\6")
                                             BIN("h", "\0", "\1", "\4") "\x02\0\x09\1\x0a\0\x0a" I64(
                                                 "\x0a") "\x0a\0\x0b" I64("\x0b") "\x0a\0\x0c" I64("\x0c") "\0"),
        ZIPKIN_V1_THRIFT, &parsing,
        "resource {service.name='s' ipv4='10.0.0.1' ipv6='1.2.3.4' port='80'} scope '' ''\n"
        "span 0c0000000000000001/02<03 'op' kind=2 [10000,21000] status=0'' state='' {a=true b='/+4=' "
        "c=65534 d=7 e=8 "
        "f=0.5d g='txt' h='<not enough bytes representing the number>'}\n"
        "  event 5000 'e' {} dropped=0\n");
    check(SL("\x0c\0\0\0\0"), ZIPKIN_V1_THRIFT, &plain, "");
    refuse(SL(""), ZIPKIN_V1_THRIFT, "unexpected EOF");
    refuse(SL("\x0c\0\0\0\x09\0"), ZIPKIN_V1_THRIFT, "unexpected EOF");
    refuse(SL("\x0b\0\0\0\1\0\0\0\0"), ZIPKIN_V1_THRIFT, "wrong type");
}

/* --- bounds -----------------------------------------------------------------------------------------------
 */

static void
a_full_batch_is_a_limit_not_a_crash(void **state)
{
    (void)state;
    struct buf body;
    buf_init(&body, 1 << 20);
    for (int i = 0; i < 400; i++) {
        buf_printf(&body,
                   "%c{\"traceId\":\"1\",\"id\":\"2\",\"localEndpoint\":{\"serviceName\":\"%d\"},"
                   "\"annotations\":[{\"timestamp\":1,"
                   "\"value\":\"x\"}],\"tags\":{\"host.id\":\"\\n\",\"b\":\"2\",\"otlp.link.0\":\"|||{"
                   "\\\"z\\\":1}|0\"}}",
                   i ? ',' : '[', 400 - i);
    }
    buf_append_cstr(&body, "]");
    err rc = ERR_LIMIT;
    for (size_t max = 1 << 10; rc == ERR_LIMIT; max += 777) {
        struct span_batch b;
        struct fault f = {0};
        span_batch_init(&b, max);
        rc = zipkin_decode(buf_slice(&body), ZIPKIN_V2_JSON, &plain, &b, &f);
        assert_true(rc == OK || rc == ERR_LIMIT);
        span_batch_fini(&b);
    }
    buf_fini(&body);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_v2_json_has_its_place),
        cmocka_unit_test(v2_kind_status_and_times_follow_the_tags),
        cmocka_unit_test(v2_names_match_in_any_case_and_null_is_nothing),
        cmocka_unit_test(v2_spans_are_sorted_by_service_and_library),
        cmocka_unit_test(string_tags_are_parsed_when_asked),
        cmocka_unit_test(bad_v2_json_is_refused),
        cmocka_unit_test(many_equal_tags_are_one_and_take_no_square_time),
        cmocka_unit_test(an_envoy_batch_keeps_its_pairs),
        cmocka_unit_test(every_field_of_v2_protobuf_has_its_place),
        cmocka_unit_test(bad_v2_protobuf_is_refused),
        cmocka_unit_test(every_field_of_v1_json_has_its_place),
        cmocka_unit_test(v1_services_times_and_status_have_fallbacks),
        cmocka_unit_test(bad_v1_json_is_refused),
        cmocka_unit_test(every_field_of_v1_thrift_has_its_place),
        cmocka_unit_test(a_full_batch_is_a_limit_not_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
