package main

import "github.com/IBM/sarama"

// murmur2Partitioner chooses the partition as Java's clients do: murmur2 of the key, its sign bit cleared.
func murmur2Partitioner(string) sarama.Partitioner { return murmur2{} }

type murmur2 struct{}

func (murmur2) RequiresConsistency() bool { return true }

func (murmur2) Partition(message *sarama.ProducerMessage, partitions int32) (int32, error) {
	key, err := message.Key.Encode()
	if err != nil {
		return -1, err
	}
	return int32(hash(key)&0x7fffffff) % partitions, nil
}

func hash(data []byte) uint32 {
	const m = 0x5bd1e995
	h := uint32(0x9747b28c) ^ uint32(len(data))
	for ; len(data) >= 4; data = data[4:] {
		k := uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16 | uint32(data[3])<<24
		k *= m
		k ^= k >> 24
		h = h*m ^ k*m
	}
	switch len(data) {
	case 3:
		h ^= uint32(data[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(data[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(data[0])) * m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}
