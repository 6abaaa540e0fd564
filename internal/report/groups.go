package report

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

const (
	maxKeyBytes = 256
	// maxModels is how many models are told apart; what others used is summed
	// up under poolName.
	maxModels = 500
	poolIndex = maxModels
	poolName  = "other models"
	// maxSessions is how many sessions are kept while counting.
	maxSessions = 50_000
)

// keyOf returns text, or of a long one its beginning and a hash.
func keyOf(text []byte) string {
	if len(text) <= maxKeyBytes {
		return string(text)
	}
	hash := sha256.Sum256(text)
	return clipped(text) + " " + hex.EncodeToString(hash[:6])
}

// clipped returns the first 200 bytes of text.
func clipped(text []byte) string {
	const most = 200
	if len(text) <= most {
		return string(text)
	}
	return strings.ToValidUTF8(string(text[:most]), "") + "…"
}

// model is what one of them used.
type model struct {
	name string
	figures
	durations durations
}

type models struct {
	list    []model // the last one, at poolIndex, is all others
	indexes map[string]int
}

func newModels() models {
	return models{indexes: make(map[string]int)}
}

// index returns the index of the model of this name.
func (m *models) index(name []byte) int {
	if i, ok := m.indexes[string(name)]; ok {
		return i
	}
	key := keyOf(name)
	i, ok := m.indexes[key]
	if !ok {
		if i = len(m.list); i >= poolIndex {
			i, key = poolIndex, poolName
		}
		if i == len(m.list) {
			m.list = append(m.list, model{name: key})
		}
		if i != poolIndex {
			m.indexes[key] = i
		}
	}
	return i
}

// ranked returns the indexes of the models that were called, the most expensive
// first, without costs those with the most tokens.
func (m *models) ranked() []int {
	var list []int
	for i := range m.list {
		if m.list[i].calls > 0 {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(a, b int) int {
		x, y := &m.list[a], &m.list[b]
		return cmp.Or(
			cmp.Compare(y.cost.value(), x.cost.value()),
			cmp.Compare(float64(y.input)+float64(y.output), float64(x.input)+float64(x.output)),
			cmp.Compare(y.calls, x.calls),
			cmp.Compare(x.name, y.name))
	})
	return list
}

// session is what one of them did.
type session struct {
	name string
	figures
	failures    int64
	first, last time.Time
}

func (s *session) saw(t time.Time) {
	if t.IsZero() {
		return
	}
	if s.first.IsZero() || t.Before(s.first) {
		s.first = t
	}
	if t.After(s.last) {
		s.last = t
	}
}

// sessions keeps those that spent most, in bounded memory.
type sessions struct {
	limit   int
	byName  map[string]*session
	dropped int64 // sessions that were forgotten, some perhaps more than once
}

func newSessions() sessions {
	return sessions{limit: maxSessions, byName: make(map[string]*session)}
}

func (s *sessions) get(name []byte) *session {
	if found := s.byName[string(name)]; found != nil {
		return found
	}
	key := keyOf(name)
	found := s.byName[key]
	if found == nil {
		if len(s.byName) >= s.limit {
			s.forget()
		}
		found = &session{name: key}
		s.byName[key] = found
	}
	return found
}

// forget drops the half that spent least.
func (s *sessions) forget() {
	ranked := s.ranked()
	for _, dropped := range ranked[len(ranked)/2:] {
		delete(s.byName, dropped.name)
		s.dropped++
	}
}

// ranked returns the sessions, those that spent most first.
func (s *sessions) ranked() []*session {
	list := make([]*session, 0, len(s.byName))
	for _, one := range s.byName {
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b *session) int {
		return cmp.Or(
			cmp.Compare(b.cost.value(), a.cost.value()),
			cmp.Compare(float64(b.input)+float64(b.output), float64(a.input)+float64(a.output)),
			cmp.Compare(b.events, a.events),
			cmp.Compare(a.name, b.name))
	})
	return list
}
