CREATE TABLE product (
    id    INT AUTO_INCREMENT PRIMARY KEY,
    name  VARCHAR(60) NOT NULL,
    price DECIMAL(8,2) NOT NULL,
    stock INT NOT NULL
);

CREATE TABLE orders (
    id         BIGINT AUTO_INCREMENT PRIMARY KEY,
    customer   VARCHAR(60) NOT NULL,
    product_id INT NOT NULL,
    quantity   INT NOT NULL,
    note       VARCHAR(250) NOT NULL DEFAULT '',
    created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    KEY by_product (product_id),
    KEY by_time (created_at)
);

INSERT INTO product (name, price, stock)
SELECT CONCAT('Article ', seq), 1 + (seq * 37) % 200, 1000 FROM seq_1_to_200;

INSERT INTO orders (customer, product_id, quantity, note)
SELECT CONCAT('Customer ', 1 + seq % 97), 1 + (seq * 13) % 200, 1 + seq % 5, REPEAT('careful, glass. ', seq % 6)
FROM seq_1_to_2000;
