/* WebSocket clients (RFC 6455, no extensions): one per recipient, each with its own token. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

#define PENDING_MAX 64 /* handshakes in flight: below any listen backlog */
#define READ_SIZE (256u << 10)
#define MESSAGE_MAX (16u << 20)

/* The sample nonce of RFC 6455 section 1.3 and the answer that belongs to it. */
#define NONCE "dGhlIHNhbXBsZSBub25jZQ=="
#define NONCE_ANSWER "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

void clients_load(struct load *load) {
    if (!load->options.tokens_path)
        return;
    FILE *file = fopen(load->options.tokens_path, "r");
    if (!file)
        fail("cannot read %s", load->options.tokens_path);
    char recipient[256], token[4096];
    size_t capacity = 0;
    while (fscanf(file, "%255s %4095s", recipient, token) == 2) {
        if (load->client_count == capacity) {
            capacity = capacity ? capacity * 2 : 1024;
            load->clients = must_allocate(load->clients, capacity * sizeof *load->clients);
        }
        struct client *client = &load->clients[load->client_count];
        *client = (struct client){.index = load->client_count++,
                                  .recipient = strdup(recipient),
                                  .token = strdup(token)};
    }
    fclose(file);
    if (!load->client_count)
        fail("%s holds no lines of the form: recipient token", load->options.tokens_path);
}

void clients_connect(struct load *load) {
    while (load->client_next < load->client_count && load->client_pending < PENDING_MAX) {
        struct client *client = &load->clients[load->client_next++];
        client->handler.kind = KIND_CLIENT;
        client->handler.fd = open_connection(load);
        client->state = CLIENT_CONNECTING;
        load->client_pending++;
        watch(load, &client->handler, EPOLLOUT, true);
    }
}

static void client_close(struct load *load, struct client *client, const char *why) {
    if (client->state == CLIENT_OPEN) {
        load->client_open--;
        if (load->counts.closed++ == 0)
            fprintf(stderr, "first closed socket: %s: %s\n", client->recipient, why);
    } else {
        load->client_pending--;
        bool returning = load->options.reconnect > 0 && load->phase >= PHASE_SENDING;
        if (!returning && load->counts.handshakes_failed++ == 0)
            fprintf(stderr, "first failed handshake: %s: %.400s\n", client->recipient, why);
    }
    client->state = CLIENT_CLOSED;
    close(client->handler.fd);
    if (load->phase >= PHASE_SENDING)
        client_returns(load, client);
}

static void send_all(struct load *load, struct client *client, const void *data, size_t length) {
    if (send(client->handler.fd, data, length, MSG_NOSIGNAL) != (ssize_t)length)
        load->counts.write_failures++;
}

/* A frame of a client is masked; a mask of zeros leaves the payload as it is. */
static void send_frame(struct load *load, struct client *client, uint8_t opcode,
                       const uint8_t *payload, size_t length) {
    uint8_t frame[14 + 4096] = {(uint8_t)(0x80 | opcode)};
    size_t head = 2;
    if (length > 4096)
        return;
    if (length < 126) {
        frame[1] = (uint8_t)(0x80 | length);
    } else {
        frame[1] = 0x80 | 126;
        frame[2] = (uint8_t)(length >> 8);
        frame[3] = (uint8_t)length;
        head = 4;
    }
    memcpy(frame + head + 4, payload, length);
    send_all(load, client, frame, head + 4 + length);
}

static void handshake_send(struct load *load, struct client *client) {
    char request[8192];
    int n = snprintf(request, sizeof request,
                     "GET /v1/inbox/socket HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                     "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " NONCE "\r\n"
                     "Sec-WebSocket-Protocol: %stocsin.v1, bearer.%s\r\n\r\n",
                     load->options.port, load->options.batch_frames ? "tocsin.v1.batch, " : "",
                     client->token);
    client->state = CLIENT_HANDSHAKE;
    watch(load, &client->handler, EPOLLIN, false);
    send_all(load, client, request, (size_t)n);
}

static uint64_t digits(const uint8_t **at, const uint8_t *end) {
    uint64_t value = 0;
    while (*at < end && **at >= '0' && **at <= '9')
        value = value * 10 + (uint64_t)(*(*at)++ - '0');
    return value;
}

static const uint8_t *find(const uint8_t *from, const uint8_t *end, const char *needle,
                           size_t length) {
    return from < end ? memmem(from, (size_t)(end - from), needle, length) : NULL;
}

static void item_count(struct load *load, struct client *client, uint64_t event, int64_t sent_us,
                       int64_t now) {
    struct counts *counts = &load->counts;
    if (event >= load->next_event || sent_us > now || sent_us < 0) {
        counts->malformed++;
        return;
    }
    if (event % load->client_count != client->index) {
        counts->misdelivered++;
        return;
    }
    if (load->events[event] & EVENT_RECEIVED) {
        counts->duplicates++;
        return;
    }
    load->events[event] |= EVENT_RECEIVED;
    counts->received++;
    counts->out_of_order += event < client->last_event;
    client->last_event = event;
    if (!load->first_received_us)
        load->first_received_us = now;
    load->last_received_us = now;
    int64_t second = (now - load->start_us) / 1000000;
    load->received_per_second[second < SECONDS_MAX ? second : SECONDS_MAX - 1]++;
    histogram_add(&load->latency_all, now - sent_us);
    if (sent_us >= load->start_us + (int64_t)(load->options.warmup * 1e6))
        histogram_add(&load->latency, now - sent_us);
}

static void acknowledge(struct load *load, struct client *client, const uint8_t *p,
                        const uint8_t *end) {
    char text[4096];
    size_t used = (size_t)snprintf(text, sizeof text, "{\"type\":\"received\",\"ids\":[");
    size_t empty = used;
    while ((p = find(p, end, "\"ntf_", 5)) && used < sizeof text - 128) {
        const uint8_t *close_quote = find(p + 1, end, "\"", 1);
        if (!close_quote || close_quote - p > 100)
            break;
        if (used > empty)
            text[used++] = ',';
        memcpy(text + used, p, (size_t)(close_quote + 1 - p));
        used += (size_t)(close_quote + 1 - p);
        load->counts.acknowledged++;
        p = close_quote + 1;
    }
    memcpy(text + used, "]}", 2);
    if (used > empty)
        send_frame(load, client, 1, (const uint8_t *)text, used + 2);
}

/* Each item carries the order in its title and the time of sending in its body; which of the two
 * comes first is the server's business. */
static void message_take(struct load *load, struct client *client, const uint8_t *p, size_t length,
                         int64_t now) {
    const uint8_t *end = p + length, *begin = p;
    uint64_t items = 0;
    load->counts.messages++;
    char resume[1024];
    size_t wanted = client->greeted ? 0 : client_resume(load, client, resume, sizeof resume);
    if (wanted)
        send_frame(load, client, 1, (const uint8_t *)resume, wanted);
    else
        client_remember(load, client, p, length);
    while ((p = find(p, end, "sent=", 5))) {
        const uint8_t *sent_at = p + 5;
        int64_t sent_us = (int64_t)digits(&sent_at, end);
        const uint8_t *order = find(begin, end, load->needle, load->needle_length);
        if (!order) {
            load->counts.foreign++;
            p = sent_at;
            continue;
        }
        order += load->needle_length;
        uint64_t event = digits(&order, end);
        item_count(load, client, event, sent_us, now);
        items++;
        begin = p = order > sent_at ? order : sent_at;
    }
    if (items) {
        if (load->options.acknowledge)
            acknowledge(load, client, end - length, end);
    } else if (!client->greeted && find(end - length, end, "\"hello\"", 7)) {
        client->greeted = true;
        load->counts.hellos++;
    } else if (find(end - length, end, "\"resync\"", 8)) {
        load->counts.resyncs++;
    }
}

static void append(struct buffer *buffer, const uint8_t *data, size_t length) {
    buffer_reserve(buffer, buffer->length + length);
    memcpy(buffer->data + buffer->length, data, length);
    buffer->length += length;
}

static void frame_take(struct load *load, struct client *client, uint8_t first,
                       const uint8_t *payload, size_t length, int64_t now) {
    uint8_t opcode = first & 0x0f;
    bool last = first & 0x80;
    load->counts.frames++;
    if (opcode == 9) {
        load->counts.pings++;
        send_frame(load, client, 10, payload, length);
    } else if (opcode == 10) {
        load->counts.pongs++;
    } else if (opcode == 8) {
        char why[200];
        unsigned code = length >= 2 ? (unsigned)(payload[0] << 8 | payload[1]) : 1005;
        snprintf(why, sizeof why, "closed with %u %.*s", code,
                 length > 2 ? (int)(length - 2) : 0, (const char *)payload + 2);
        client_close(load, client, why);
    } else if (last && !client->message.length) {
        message_take(load, client, payload, length, now);
    } else {
        append(&client->message, payload, length);
        if (last) {
            message_take(load, client, client->message.data, client->message.length, now);
            free(client->message.data);
            client->message = (struct buffer){0};
        }
    }
}

/* Bytes used by whole frames. */
static size_t frames_take(struct load *load, struct client *client, const uint8_t *data,
                          size_t length, int64_t now) {
    size_t used = 0;
    while (client->state == CLIENT_OPEN && length - used >= 2) {
        const uint8_t *p = data + used;
        size_t left = length - used, head = 2, size = p[1] & 0x7f;
        if (p[1] & 0x80 || p[0] & 0x70)
            fail("a masked or extended frame from the server");
        if (size == 126) {
            head = 4;
            if (left < head)
                break;
            size = (size_t)p[2] << 8 | p[3];
        } else if (size == 127) {
            head = 10;
            if (left < head)
                break;
            size = 0;
            for (int i = 2; i < 10; i++)
                size = size << 8 | p[i];
        }
        if (size > MESSAGE_MAX)
            fail("a frame of %zu bytes", size);
        if (left < head + size)
            break;
        frame_take(load, client, p[0], p + head, size, now);
        used += head + size;
    }
    return used;
}

static size_t handshake_take(struct load *load, struct client *client, uint8_t *data,
                             size_t length) {
    uint8_t *end = memmem(data, length, "\r\n\r\n", 4);
    if (!end)
        return 0;
    end[0] = '\0';
    const char *head = (const char *)data;
    const char *protocol = strcasestr(head, "sec-websocket-protocol: tocsin.v1");
    if (strncmp(head, "HTTP/1.1 101", 12) || !strstr(head, NONCE_ANSWER) || !protocol) {
        client_close(load, client, head);
        return length;
    }
    client->state = CLIENT_OPEN;
    load->client_pending--;
    load->client_open++;
    return (size_t)(end - data) + 4;
}

static void client_read(struct load *load, struct client *client) {
    struct buffer *buffer = &load->receive;
    size_t kept = client->rest.length;
    buffer_reserve(buffer, kept + READ_SIZE);
    if (kept)
        memcpy(buffer->data, client->rest.data, kept);
    ssize_t n = recv(client->handler.fd, buffer->data + kept, READ_SIZE, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        client_close(load, client, "the server ended the connection");
        return;
    }
    int64_t now = now_us(load);
    load->counts.bytes_in += (uint64_t)n;
    size_t length = kept + (size_t)n, used = 0;
    if (client->state == CLIENT_HANDSHAKE)
        used = handshake_take(load, client, buffer->data, length);
    if (client->state == CLIENT_OPEN)
        used += frames_take(load, client, buffer->data + used, length - used, now);
    client->rest.length = 0;
    if (used < length && client->state != CLIENT_CLOSED && client->state != CLIENT_WAITING)
        append(&client->rest, buffer->data + used, length - used);
}

void client_ready(struct load *load, struct client *client, uint32_t events) {
    if (client->state == CLIENT_CLOSED || client->state == CLIENT_WAITING)
        return;
    if (client->state == CLIENT_CONNECTING) {
        if (events & (EPOLLERR | EPOLLHUP))
            client_close(load, client, "connection refused");
        else
            handshake_send(load, client);
    } else {
        client_read(load, client);
    }
}
