// SPDX-License-Identifier: MIT
#include "dump/inflate.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"

// Unpacked bytes are kept in windows: 256 × 64 KiB.
#define WINDOW_BYTES 0x10000u
#define N_WINDOWS 256u
// Streams that stand where an earlier read ended: reading on is then linear.
#define N_CURSORS 8u

struct window {
	uint8_t *data;		// NULL: free
	uint64_t number;
	uint64_t used;		// time stamp
};

struct psc_inflate {
	struct psc_deflate_input input;
	struct psc_inflate_index index;
	pthread_mutex_t lock;	// guards what follows
	struct window windows[N_WINDOWS];
	struct psc_deflate *idle[N_CURSORS];
	uint64_t clock;
};

struct psc_error *psc_inflate_new(const struct psc_deflate_input *in,
				  struct psc_inflate_index *index,
				  struct psc_inflate **ret)
{
	struct psc_inflate *z = calloc(1, sizeof(*z));

	if (!z) {
		psc_inflate_index_free(index);
		return &psc_nomem;
	}
	z->input = *in;
	z->index = *index;
	*index = (struct psc_inflate_index){ 0 };
	pthread_mutex_init(&z->lock, NULL);
	*ret = z;
	return NULL;
}

static void cursor_free(struct psc_deflate *s)
{
	if (s)
		psc_deflate_end(s);
	free(s);
}

void psc_inflate_free(struct psc_inflate *z)
{
	if (!z)
		return;
	for (size_t i = 0; i < N_WINDOWS; i++)
		free(z->windows[i].data);
	for (size_t i = 0; i < N_CURSORS; i++)
		cursor_free(z->idle[i]);
	pthread_mutex_destroy(&z->lock);
	psc_inflate_index_free(&z->index);
	free(z);
}

// Last checkpoint at or before off; the first is at 0.
static const struct psc_deflate_point *point_before(const struct psc_inflate *z,
						    uint64_t off)
{
	size_t low = 0, high = z->index.points.n;

	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;
		if (z->index.points.v[mid].out <= off)
			low = mid;
		else
			high = mid;
	}
	return &z->index.points.v[low];
}

// An idle cursor between the checkpoint and off, the nearest. Locked.
static struct psc_deflate *take_cursor(struct psc_inflate *z, uint64_t from,
				       uint64_t off)
{
	size_t best = N_CURSORS;

	for (size_t i = 0; i < N_CURSORS; i++) {
		const struct psc_deflate *s = z->idle[i];
		if (s && s->out >= from && s->out <= off &&
		    (best == N_CURSORS || s->out > z->idle[best]->out))
			best = i;
	}
	return best < N_CURSORS ? PSC_TAKE(z->idle[best]) : NULL;
}

// Give a cursor back in the place of a free or arbitrary other one. Locked.
static void give_cursor(struct psc_inflate *z, struct psc_deflate *s)
{
	size_t place = z->clock % N_CURSORS;

	for (size_t i = 0; i < N_CURSORS; i++) {
		if (!z->idle[i])
			place = i;
	}
	cursor_free(z->idle[place]);
	z->idle[place] = s;
}

static struct psc_deflate *new_cursor(const struct psc_inflate *z,
				      const struct psc_deflate_point *at)
{
	struct psc_deflate *s = calloc(1, sizeof(*s));

	if (s && !psc_deflate_start(s, &z->input, at)) {
		cursor_free(s);
		return NULL;
	}
	return s;
}

// Unpack n bytes at off into buf, which also takes what is skipped.
static bool unpack(struct psc_deflate *s, uint64_t off, uint8_t *buf, size_t n)
{
	size_t done = 0;

	while (s->out < off) {
		uint64_t skip = PSC_MIN(off - s->out, n);
		if (!psc_deflate_step(s, buf, (size_t)skip, false))
			return false;
	}
	while (done < n) {
		size_t made = psc_deflate_step(s, buf + done, n - done, false);
		if (!made)
			return false;
		done += made;
	}
	return true;
}

static size_t window_size(const struct psc_inflate *z, uint64_t number)
{
	uint64_t left = z->index.size - number * WINDOW_BYTES;

	return (size_t)PSC_MIN(left, WINDOW_BYTES);
}

// Unpack a window without holding the lock. @return heap bytes or NULL.
static uint8_t *fill(struct psc_inflate *z, uint64_t number)
{
	uint64_t off = number * WINDOW_BYTES;
	const struct psc_deflate_point *at = point_before(z, off);

	pthread_mutex_lock(&z->lock);
	struct psc_deflate *s = take_cursor(z, at->out, off);
	pthread_mutex_unlock(&z->lock);
	if (!s)
		s = new_cursor(z, at);
	uint8_t *data = s ? malloc(WINDOW_BYTES) : NULL;
	if (!data || !unpack(s, off, data, window_size(z, number))) {
		cursor_free(s);
		free(data);
		return NULL;
	}
	pthread_mutex_lock(&z->lock);
	give_cursor(z, s);
	pthread_mutex_unlock(&z->lock);
	return data;
}

// Locked.
static struct window *find_window(struct psc_inflate *z, uint64_t number)
{
	for (size_t i = 0; i < N_WINDOWS; i++) {
		struct window *w = &z->windows[i];
		if (w->data && w->number == number) {
			w->used = ++z->clock;
			return w;
		}
	}
	return NULL;
}

// Keep data as the window, unless another thread was faster. Locked.
static struct window *keep_window(struct psc_inflate *z, uint64_t number,
				  uint8_t *data)
{
	struct window *oldest = find_window(z, number);

	if (oldest) {
		free(data);
		return oldest;
	}
	oldest = &z->windows[0];
	for (size_t i = 0; i < N_WINDOWS; i++) {
		if (z->windows[i].used < oldest->used)
			oldest = &z->windows[i];
	}
	free(oldest->data);
	*oldest = (struct window){
		.data = data, .number = number, .used = ++z->clock,
	};
	return oldest;
}

// n bytes that lie in one window.
static bool read_part(struct psc_inflate *z, uint64_t off, uint8_t *buf,
		      size_t n)
{
	uint64_t number = off / WINDOW_BYTES;

	pthread_mutex_lock(&z->lock);
	const struct window *w = find_window(z, number);
	if (!w) {
		pthread_mutex_unlock(&z->lock);
		uint8_t *data = fill(z, number);
		if (!data)
			return false;
		pthread_mutex_lock(&z->lock);
		w = keep_window(z, number, data);
	}
	memcpy(buf, w->data + off % WINDOW_BYTES, n);
	pthread_mutex_unlock(&z->lock);
	return true;
}

bool psc_inflate_read(struct psc_inflate *z, uint64_t off, void *buf, size_t n)
{
	uint8_t *to = buf;

	if (off > z->index.size || n > z->index.size - off)
		return false;
	while (n) {
		uint64_t left = WINDOW_BYTES - off % WINDOW_BYTES;
		size_t part = (size_t)PSC_MIN(left, n);
		if (!read_part(z, off, to, part))
			return false;
		off += part;
		to += part;
		n -= part;
	}
	return true;
}
