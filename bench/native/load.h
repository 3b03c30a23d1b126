/* Shared types of the load generator: one process, one thread, one epoll loop.
 *
 * Sender and receiver share a process so that one clock stamps both ends of a notification.
 * All times are microseconds since the generator's start on CLOCK_MONOTONIC.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Log-linear: exact below 128 us, then 64 buckets per power of two (error below 1.6 %). */
#define HISTOGRAM_BUCKETS 4096

struct histogram {
    uint64_t count, max;
    uint64_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, int64_t value_us);
uint64_t histogram_quantile(const struct histogram *h, double q);
void histogram_print(FILE *out, const char *name, const struct histogram *h);

enum mode { MODE_HOLD, MODE_OPEN, MODE_CLOSED };
enum phase { PHASE_CONNECTING, PHASE_READY, PHASE_SENDING, PHASE_DRAINING, PHASE_DONE };

struct options {
    int port, batch, senders, event_bytes;
    enum mode mode;
    uint64_t recipients;
    double rate, seconds, warmup, drain, reconnect;
    const char *key_path, *tokens_path, *tag, *type;
    bool single, batch_frames, acknowledge;
};

/* First member of everything that epoll can point at. */
enum kind { KIND_TIMER, KIND_STDIN, KIND_SENDER, KIND_CLIENT };
struct handler {
    enum kind kind;
    int fd;
};

struct sender {
    struct handler handler;
    char *out, *in;
    size_t out_length, out_done, in_length, in_capacity;
    uint64_t first_event;
    int64_t due_us, sent_us, resume_us;
    bool busy;
};

enum client_state {
    CLIENT_NEW, CLIENT_CONNECTING, CLIENT_HANDSHAKE, CLIENT_OPEN, CLIENT_CLOSED, CLIENT_WAITING
};
struct buffer {
    uint8_t *data;
    size_t length, capacity;
};
struct client {
    struct handler handler;
    enum client_state state;
    bool greeted;
    uint32_t index;
    char *recipient, *token;
    struct buffer rest;    /* bytes of a frame that is not complete yet */
    struct buffer message; /* a message sent in several frames */
    uint64_t last_event;
    char *cursor;
    int64_t lost_us, again_us; /* since when it is away, and when it tries again */
};

/* What is known of each event, one byte each. */
enum { EVENT_ACCEPTED = 1, EVENT_RECEIVED = 2 };

struct counts {
    uint64_t requests, events_sent, accepted, partial, rejected_429, rejected_503, other_status;
    uint64_t duplicates_reported, connection_errors, unanswered, unsent;
    uint64_t frames, messages, pings, pongs, received, duplicates, foreign, malformed;
    uint64_t misdelivered, out_of_order, resyncs, acknowledged, closed, handshakes_failed, hellos;
    uint64_t write_failures, bytes_in, bytes_out, returned;
};

#define SECONDS_MAX 7200

struct load {
    struct options options;
    struct counts counts;
    enum phase phase;
    int epoll_fd, timer_fd;
    char key[512];
    struct handler timer, standard_input;
    struct sender *senders;
    struct client *clients;
    uint32_t client_count, client_next, client_pending, client_open;
    int64_t origin_ns, start_us, sending_ended_us, first_received_us, last_received_us;
    int64_t phase_since_us, last_returned_us;
    uint64_t batches_started, batches_planned, next_event;
    uint8_t *events;
    uint64_t events_capacity;
    struct buffer receive;
    struct histogram latency, latency_all, answer, service, lateness, away;
    uint32_t received_per_second[SECONDS_MAX];
    char needle[64];
    size_t needle_length;
};

int64_t now_us(const struct load *load);
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void *must_allocate(void *old, size_t size);
void buffer_reserve(struct buffer *buffer, size_t capacity);
void watch(struct load *load, struct handler *handler, uint32_t events, bool added);
int open_connection(const struct load *load);

/* event.c: requests and events */
size_t request_write(struct load *load, char *out, uint64_t first_event, int64_t due_us);
size_t request_capacity(const struct options *options);

/* http.c: the side that sends */
void senders_open(struct load *load);
void senders_pump(struct load *load);
void sender_ready(struct load *load, struct sender *sender, uint32_t events);
bool senders_idle(const struct load *load);

/* socket.c: the side that receives */
void clients_load(struct load *load);
void clients_connect(struct load *load);
void client_ready(struct load *load, struct client *client, uint32_t events);

/* reconnect.c: clients that come back when they are asked to */
void client_returns(struct load *load, struct client *client);
void clients_return(struct load *load);
void client_remember(struct load *load, struct client *client, const uint8_t *message,
                     size_t length);
size_t client_resume(struct load *load, struct client *client, char *text, size_t capacity);

/* report.c */
void report_print(const struct load *load);

#endif
