/* Keep-alive HTTP/1.1 senders, in open loop (by the clock) or in closed loop (by the answers). */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "load.h"

#define ANSWER_MAX (4u << 20)
#define PAUSE_US 50000 /* closed loop, after 429 or 503 */
#define GRACE_US 1000000

static void sender_connect(struct load *load, struct sender *sender) {
    sender->handler.kind = KIND_SENDER;
    sender->handler.fd = open_connection(load);
    watch(load, &sender->handler, EPOLLIN, true);
}

static void sender_reconnect(struct load *load, struct sender *sender) {
    load->counts.connection_errors++;
    if (sender->busy)
        load->counts.unanswered += (uint64_t)load->options.batch;
    close(sender->handler.fd);
    sender->busy = false;
    sender->in_length = sender->out_length = sender->out_done = 0;
    sender->resume_us = now_us(load) + PAUSE_US;
    if (load->counts.connection_errors > 10000)
        fail("the server closed more than 10,000 connections");
    sender_connect(load, sender);
}

void senders_open(struct load *load) {
    size_t size = ((size_t)load->options.senders + 1) * sizeof *load->senders; /* none is fine */
    load->senders = must_allocate(NULL, size);
    memset(load->senders, 0, size);
    for (int i = 0; i < load->options.senders; i++) {
        struct sender *sender = &load->senders[i];
        sender->out = must_allocate(NULL, request_capacity(&load->options));
        sender->in_capacity = 64 << 10;
        sender->in = must_allocate(NULL, sender->in_capacity);
        sender_connect(load, sender);
    }
}

static void sender_write(struct load *load, struct sender *sender) {
    ssize_t n = send(sender->handler.fd, sender->out + sender->out_done,
                     sender->out_length - sender->out_done, MSG_NOSIGNAL);
    if (n < 0) {
        if (errno != EAGAIN)
            sender_reconnect(load, sender);
        else
            watch(load, &sender->handler, EPOLLIN | EPOLLOUT, false);
        return;
    }
    load->counts.bytes_out += (uint64_t)n;
    bool was_partial = sender->out_done > 0;
    sender->out_done += (size_t)n;
    if (sender->out_done < sender->out_length)
        watch(load, &sender->handler, EPOLLIN | EPOLLOUT, false);
    else if (was_partial)
        watch(load, &sender->handler, EPOLLIN, false);
}

static void events_reserve(struct load *load, uint64_t last) {
    if (last < load->events_capacity)
        return;
    uint64_t grown = load->events_capacity * 2 > last + 1 ? load->events_capacity * 2 : last + 1;
    load->events = must_allocate(load->events, grown);
    memset(load->events + load->events_capacity, 0, grown - load->events_capacity);
    load->events_capacity = grown;
}

static void sender_start(struct load *load, struct sender *sender, int64_t due_us, int64_t now) {
    sender->first_event = load->next_event;
    load->next_event += (uint64_t)load->options.batch;
    load->batches_started++;
    events_reserve(load, load->next_event);
    sender->due_us = due_us;
    sender->sent_us = now;
    sender->busy = true;
    sender->out_done = 0;
    sender->out_length = request_write(load, sender->out, sender->first_event, due_us);
    load->counts.requests++;
    load->counts.events_sent += (uint64_t)load->options.batch;
    histogram_add(&load->lateness, now - due_us);
    sender_write(load, sender);
}

static int64_t due_of(const struct load *load, uint64_t batch) {
    return load->start_us +
           (int64_t)((double)batch * (double)load->options.batch * 1e6 / load->options.rate);
}

static void timer_arm(const struct load *load, int64_t due_us) {
    int64_t at_ns = load->origin_ns + due_us * 1000;
    struct itimerspec at = {.it_value = {at_ns / 1000000000, at_ns % 1000000000}};
    timerfd_settime(load->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static struct sender *sender_free(struct load *load, int64_t now) {
    for (int i = 0; i < load->options.senders; i++) {
        struct sender *sender = &load->senders[i];
        if (!sender->busy && sender->resume_us <= now)
            return sender;
    }
    return NULL;
}

static void pump_open(struct load *load) {
    int64_t end = load->start_us + (int64_t)(load->options.seconds * 1e6) + GRACE_US;
    while (load->batches_started < load->batches_planned) {
        int64_t now = now_us(load), due = due_of(load, load->batches_started);
        if (now > end) {
            uint64_t left = load->batches_planned - load->batches_started;
            load->counts.unsent = left * (uint64_t)load->options.batch;
            break;
        }
        if (due > now) {
            timer_arm(load, due);
            return;
        }
        struct sender *sender = sender_free(load, now);
        if (!sender)
            return;
        sender_start(load, sender, due, now);
    }
    load->sending_ended_us = now_us(load);
}

static void pump_closed(struct load *load) {
    int64_t now = now_us(load);
    if (now >= load->start_us + (int64_t)(load->options.seconds * 1e6)) {
        load->sending_ended_us = now;
        return;
    }
    for (int i = 0; i < load->options.senders; i++) {
        struct sender *sender = &load->senders[i];
        if (!sender->busy && sender->resume_us <= now)
            sender_start(load, sender, now, now);
    }
}

void senders_pump(struct load *load) {
    if (load->phase != PHASE_SENDING)
        return;
    if (load->options.mode == MODE_OPEN)
        pump_open(load);
    else if (load->options.mode == MODE_CLOSED)
        pump_closed(load);
    else if (now_us(load) >= load->start_us + (int64_t)(load->options.seconds * 1e6))
        load->sending_ended_us = now_us(load);
}

bool senders_idle(const struct load *load) {
    for (int i = 0; i < load->options.senders; i++)
        if (load->senders[i].busy)
            return false;
    return true;
}

static uint64_t occurrences(const char *text, size_t length, const char *needle) {
    uint64_t count = 0;
    size_t needle_length = strlen(needle);
    const char *at = text, *end = text + length;
    while ((at = memmem(at, (size_t)(end - at), needle, needle_length))) {
        count++;
        at += needle_length;
    }
    return count;
}

static void answer_count(struct load *load, struct sender *sender, int status, const char *body,
                         size_t length) {
    int64_t now = now_us(load);
    histogram_add(&load->answer, now - sender->due_us);
    histogram_add(&load->service, now - sender->sent_us);
    load->counts.duplicates_reported += occurrences(body, length, "\"duplicate\":true");
    load->counts.duplicates_reported += occurrences(body, length, "\"duplicate\": true");
    if (status == 202) {
        load->counts.accepted += (uint64_t)load->options.batch;
        for (int i = 0; i < load->options.batch; i++)
            load->events[sender->first_event + (uint64_t)i] |= EVENT_ACCEPTED;
    } else if (status == 207) {
        load->counts.partial++;
        load->counts.accepted += occurrences(body, length, "\"evt_");
    } else {
        if (load->counts.rejected_429 + load->counts.rejected_503 + load->counts.other_status == 0)
            fprintf(stderr, "first refusal: %d %.*s\n", status, (int)(length < 600 ? length : 600),
                    body);
        if (status == 429)
            load->counts.rejected_429++;
        else if (status == 503)
            load->counts.rejected_503++;
        else
            load->counts.other_status++;
        if (load->options.mode == MODE_CLOSED)
            sender->resume_us = now + PAUSE_US;
    }
}

/* The value of a header in a NUL-terminated head, or NULL. */
static const char *header(const char *head, const char *name) {
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
        if (!strncasecmp(line + 2, name, length) && line[2 + length] == ':')
            return line + 3 + length;
    return NULL;
}

/* True when a whole answer was taken from the buffer. */
static bool answer_take(struct load *load, struct sender *sender) {
    char *end = memmem(sender->in, sender->in_length, "\r\n\r\n", 4);
    if (!end)
        return false;
    end[2] = '\0';
    int status = 0;
    if (sscanf(sender->in, "HTTP/1.1 %d", &status) != 1)
        fail("not an HTTP/1.1 answer: %.80s", sender->in);
    const char *length_text = header(sender->in, "content-length");
    if (!length_text)
        fail("an answer without Content-Length: %.200s", sender->in);
    size_t body = strtoul(length_text, NULL, 10), head = (size_t)(end - sender->in) + 4;
    end[2] = '\r';
    if (body > ANSWER_MAX)
        fail("an answer of %zu bytes", body);
    if (sender->in_length < head + body)
        return false;
    if (sender->busy)
        answer_count(load, sender, status, sender->in + head, body);
    sender->in_length -= head + body;
    memmove(sender->in, sender->in + head + body, sender->in_length);
    return true;
}

void sender_ready(struct load *load, struct sender *sender, uint32_t events) {
    if (events & EPOLLOUT)
        sender_write(load, sender);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    if (sender->in_capacity - sender->in_length < 4096) {
        sender->in_capacity *= 2;
        sender->in = must_allocate(sender->in, sender->in_capacity);
    }
    ssize_t n = recv(sender->handler.fd, sender->in + sender->in_length,
                     sender->in_capacity - sender->in_length, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        sender_reconnect(load, sender);
        return;
    }
    sender->in_length += (size_t)n;
    if (answer_take(load, sender)) {
        sender->busy = false;
        senders_pump(load);
    }
}
