package otelline

// keptKeys are the keys of the record before a Reset, in a memory of their own:
// those of the next record are mostly the same, and what is known of them holds.
type keptKeys struct {
	text []byte
	ends []int // in text, of each key
}

// maxKeptBytes bounds the memory of keptKeys.
const maxKeptBytes = 4 << 10

func (k *keptKeys) keep(keys []string) {
	k.forget()
	for _, key := range keys {
		if len(k.text)+len(key) > maxKeptBytes {
			k.forget()
			return
		}
		k.text = append(k.text, key...)
		k.ends = append(k.ends, len(k.text))
	}
}

func (k *keptKeys) forget() { k.text, k.ends = k.text[:0], k.ends[:0] }

// are reports whether these are the keys of list, in its order.
func (k *keptKeys) are(list []keyValue) bool {
	if len(list) != len(k.ends) {
		return false
	}
	start := 0
	for i, end := range k.ends {
		if string(k.text[start:end]) != list[i].key {
			return false
		}
		start = end
	}
	return true
}
