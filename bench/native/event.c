/* Writes requests without printf: at 20,000 events a second the generator shares the machine's
 * cores with the server that it measures. */
#define _GNU_SOURCE
#include <string.h>
#include <time.h>

#include "load.h"

#define HEAD_MAX 1024

static char *put(char *p, const char *text) {
    size_t length = strlen(text);
    memcpy(p, text, length);
    return p + length;
}

static char *put_number(char *p, uint64_t value, int width) {
    char digits[20];
    int n = 0;
    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (n < width)
        digits[n++] = '0';
    while (n)
        *p++ = digits[--n];
    return p;
}

/* splitmix64: the recipient of an event is a function of its number, so that a run repeats. */
static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static char *put_recipient(const struct load *load, char *p, uint64_t event) {
    if (load->client_count)
        return put(p, load->clients[event % load->client_count].recipient);
    *p++ = 'u';
    return put_number(p, 1 + mix(event) % load->options.recipients, 7);
}

static char *put_event(const struct load *load, char *p, uint64_t event, int64_t due_us,
                       const char *time) {
    char *begin = p;
    p = put(p, "{\"specversion\":\"1.0\",\"id\":\"");
    p = put(p, load->options.tag);
    *p++ = '-';
    p = put_number(p, event, 0);
    p = put(p, "\",\"source\":\"bench/load\",\"type\":\"");
    p = put(p, load->options.type);
    p = put(p, "\",\"subject\":\"order/");
    p = put_number(p, event, 0);
    p = put(p, "\",\"time\":\"");
    p = put(p, time);
    p = put(p, "\",\"datacontenttype\":\"application/json\",\"data\":{\"customer_id\":\"");
    p = put_recipient(load, p, event);
    p = put(p, "\",\"order\":\"");
    p = put(p, load->options.tag);
    *p++ = '-';
    p = put_number(p, event, 0);
    p = put(p, "\",\"sent\":");
    p = put_number(p, (uint64_t)due_us, 0);
    p = put(p, ",\"estimate\":\"2030-01-15\",\"filler\":\"");
    size_t used = (size_t)(p - begin) + 3; /* closing quote and braces */
    size_t wanted = (size_t)load->options.event_bytes;
    if (used < wanted) {
        memset(p, 'x', wanted - used);
        p += wanted - used;
    }
    return put(p, "\"}}");
}

size_t request_capacity(const struct options *options) {
    return HEAD_MAX + (size_t)options->batch * ((size_t)options->event_bytes + 512);
}

size_t request_write(struct load *load, char *out, uint64_t first_event, int64_t due_us) {
    char time_text[32];
    struct timespec wall;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &wall);
    gmtime_r(&wall.tv_sec, &parts);
    strftime(time_text, sizeof time_text, "%Y-%m-%dT%H:%M:%SZ", &parts);

    bool single = load->options.single;
    char *head = put(out, "POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ");
    head = put(head, load->key);
    head = put(head, "\r\nContent-Type: application/cloudevents");
    head = put(head, single ? "+json" : "-batch+json");
    head = put(head, "\r\nContent-Length: ");
    char *length_at = head;
    head = put(head, "0000000000\r\n\r\n");

    char *p = head;
    if (!single)
        *p++ = '[';
    for (int i = 0; i < load->options.batch; i++) {
        if (i)
            *p++ = ',';
        p = put_event(load, p, first_event + (uint64_t)i, due_us, time_text);
    }
    if (!single)
        *p++ = ']';
    put_number(length_at, (uint64_t)(p - head), 10);
    return (size_t)(p - out);
}
