package simulate

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// A Broker is an MQTT 3.1.1 broker for the demo: whoever reaches it may read and write all, and nothing is kept when it ends. It takes
// messages of any quality of service and hands them on at most once. What is retained, last wills and wildcards work as anywhere.
type Broker struct {
	mu       sync.Mutex
	retained map[string][]byte
	clients  map[*mqttClient]bool
}

// mqttClient is a connection. All but conn and out is the broker's, under its lock.
type mqttClient struct {
	conn    net.Conn
	out     chan packets.ControlPacket
	id      string
	filters map[string]bool
	will    *packets.PublishPacket
}

const (
	unread   = 4096 // messages that wait for a client, at most; then it is let go
	greeting = 10 * time.Second
)

// NewBroker returns a Broker. It starts nothing.
func NewBroker() *Broker {
	return &Broker{retained: map[string][]byte{}, clients: map[*mqttClient]bool{}}
}

// Serve serves the clients that come to l, until ctx ends.
func (b *Broker) Serve(ctx context.Context, l net.Listener) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("waiting for clients of the MQTT broker: %w", err)
		}
		wg.Go(func() {
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			b.serve(conn)
		})
	}
}

func (b *Broker) serve(conn net.Conn) {
	c := &mqttClient{conn: conn, out: make(chan packets.ControlPacket, unread), filters: map[string]bool{}}
	var wg sync.WaitGroup
	wg.Go(c.write)
	b.converse(c)
	b.leave(c)
	wg.Wait()
}

// write sends what is queued, until the queue is closed or the connection lost.
func (c *mqttClient) write() {
	defer c.conn.Close()
	for p := range c.out {
		if p.Write(c.conn) != nil {
			return
		}
	}
}

// converse reads until the connection ends.
func (b *Broker) converse(c *mqttClient) {
	c.conn.SetReadDeadline(time.Now().Add(greeting))
	first, err := packets.ReadPacket(c.conn)
	hello, ok := first.(*packets.ConnectPacket)
	if err != nil || !ok || !b.welcome(c, hello) {
		return
	}
	for {
		var until time.Time
		if alive := time.Duration(hello.Keepalive) * time.Second; alive > 0 {
			until = time.Now().Add(alive * 3 / 2)
		}
		c.conn.SetReadDeadline(until)
		p, err := packets.ReadPacket(c.conn)
		if err != nil || !b.handle(c, p) {
			return
		}
	}
}

// welcome takes a client in. The one before it with the same id is let go.
func (b *Broker) welcome(c *mqttClient, hello *packets.ConnectPacket) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	ack := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
	if ack.ReturnCode = hello.Validate(); ack.ReturnCode != packets.Accepted {
		c.out <- ack
		return false
	}
	for other := range b.clients {
		if other.id == hello.ClientIdentifier && other.id != "" {
			other.conn.Close()
		}
	}
	c.id = hello.ClientIdentifier
	if hello.WillFlag {
		c.will = publication(hello.WillTopic, hello.WillMessage, hello.WillRetain)
	}
	b.clients[c] = true
	c.out <- ack
	return true
}

// leave lets a client go, and publishes its last will if it has not said goodbye.
func (b *Broker) leave(c *mqttClient) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.clients, c)
	close(c.out)
	if c.will != nil {
		b.publish(c.will)
	}
}

// handle does what a packet asks for; false ends the connection.
func (b *Broker) handle(c *mqttClient, p packets.ControlPacket) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := p.Details().MessageID
	switch p := p.(type) {
	case *packets.PublishPacket:
		if strings.ContainsAny(p.TopicName, "+#") || p.TopicName == "" {
			return false
		}
		b.publish(p)
		return p.Qos == 0 || c.answer([]byte{0, packets.Puback, packets.Pubrec}[p.Qos], id)
	case *packets.PubrelPacket:
		return c.answer(packets.Pubcomp, id)
	case *packets.SubscribePacket:
		return b.subscribe(c, p)
	case *packets.UnsubscribePacket:
		for _, f := range p.Topics {
			delete(c.filters, f)
		}
		return c.answer(packets.Unsuback, id)
	case *packets.PingreqPacket:
		return c.answer(packets.Pingresp, 0)
	case *packets.DisconnectPacket:
		c.will = nil
		return false
	}
	return true
}

// subscribe grants what is asked for, and hands out what is retained.
func (b *Broker) subscribe(c *mqttClient, p *packets.SubscribePacket) bool {
	ack := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
	ack.MessageID, ack.ReturnCodes = p.MessageID, make([]byte, len(p.Topics)) // each at most once
	if !c.send(ack) {
		return false
	}
	for _, f := range p.Topics {
		c.filters[f] = true
		for topic, text := range b.retained {
			if matches(f, topic) && !c.send(publication(topic, text, true)) {
				return false
			}
		}
	}
	return true
}

// publish hands a message to all who want it, and keeps it if it is to be retained.
func (b *Broker) publish(p *packets.PublishPacket) {
	switch {
	case p.Retain && len(p.Payload) == 0:
		delete(b.retained, p.TopicName)
	case p.Retain:
		b.retained[p.TopicName] = p.Payload
	}
	for c := range b.clients {
		for f := range c.filters {
			if !matches(f, p.TopicName) {
				continue
			}
			if !c.send(publication(p.TopicName, p.Payload, false)) {
				c.conn.Close() // it reads too slowly
			}
			break
		}
	}
}

// publication is a message as it is handed out: at most once.
func publication(topic string, text []byte, retain bool) *packets.PublishPacket {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Payload, p.Retain = topic, text, retain
	return p
}

// answer queues an acknowledgement.
func (c *mqttClient) answer(kind byte, id uint16) bool {
	p := packets.NewControlPacket(kind)
	switch p := p.(type) {
	case *packets.PubackPacket:
		p.MessageID = id
	case *packets.PubrecPacket:
		p.MessageID = id
	case *packets.PubcompPacket:
		p.MessageID = id
	case *packets.UnsubackPacket:
		p.MessageID = id
	}
	return c.send(p)
}

// send queues a packet; false where the client has left too much unread.
func (c *mqttClient) send(p packets.ControlPacket) bool {
	select {
	case c.out <- p:
		return true
	default:
		return false
	}
}

// matches reports whether a topic is one of those that a filter names.
func matches(filter, topic string) bool {
	want, got := strings.Split(filter, "/"), strings.Split(topic, "/")
	if strings.HasPrefix(topic, "$") && !strings.HasPrefix(filter, "$") {
		return false
	}
	for i, w := range want {
		if w == "#" {
			return true
		}
		if i >= len(got) || w != "+" && w != got[i] {
			return false
		}
	}
	return len(want) == len(got)
}
